#!/bin/bash
# A virtual and a physical card over the OffBlocks dialect, with nothing but curl and openssl.
#
# Before it, once, in the directory of platen.yaml:
#
#   openssl ecparam -name secp384r1 -genkey -noout -out app.key && openssl pkey -in app.key -pubout -out app.pub
#   export TOKEN=...   # the key that `platen client create app --roles submit,operate` shows
#   export KEYID=...   # the id that `platen client create app-signature --roles submit,operate --public-key app.pub` shows
#
# and then: URL=http://127.0.0.1:8080 KEYFILE=app.key samples/flows/offblocks.sh
set -euo pipefail
: "${URL:?}" "${TOKEN:?}" "${KEYID:?}" "${KEYFILE:?}"
export LC_ALL=C # printf writes bytes

# uuid prints a random UUID.
uuid() {
	local hex
	hex=$(openssl rand -hex 16)
	echo "${hex:0:8}-${hex:8:4}-4${hex:13:3}-8${hex:17:3}-${hex:20:12}"
}

# sign prints the signature of standard input: r and s side by side, 48 bytes each, as RFC 9421 section 3.3.4 has it, and not as ASN.1.
sign() {
	local number hex=''
	for number in $(openssl dgst -sha384 -sign "$KEYFILE" | openssl asn1parse -inform DER | sed -n 's/.*INTEGER *://p'); do
		number=$(printf '%96s' "$number" | tr ' ' 0)
		hex+=${number: -96}
	done
	printf '%b' "$(sed 's/../\\x&/g' <<<"$hex")" | openssl base64 -A
}

# call METHOD PATH [BODY] sends a signed request, prints the answer's body, and fails unless the status is $WANT. KEY is its idempotency key.
call() {
	local method=$1 url=$URL/offblocks/v1$2 body=${3-}
	local covered='"@method" "@target-uri"' lines="\"@method\": $method"$'\n'"\"@target-uri\": $url" headers=()
	if [ -n "$body" ]; then
		local digest
		digest="sha-256=:$(printf %s "$body" | openssl dgst -sha256 -binary | openssl base64 -A):"
		covered+=' "content-digest"' lines+=$'\n'"\"content-digest\": $digest"
		headers+=(-H "Content-Digest: $digest" -H 'Content-Type: application/json' --data-binary "$body")
	fi
	if [ "$method" != GET ]; then
		local key=${KEY-$(uuid)}
		covered+=' "idempotency-key"' lines+=$'\n'"\"idempotency-key\": $key"
		headers+=(-H "Idempotency-Key: $key")
	fi
	local parameters answer
	parameters="($covered);created=$(date +%s);keyid=\"$KEYID\";alg=\"ecdsa-p384-sha384\""
	lines+=$'\n'"\"@signature-params\": $parameters"
	answer=$(curl -sS -X "$method" "$url" -H "Authorization: Bearer $TOKEN" -H "Signature-Input: sig1=$parameters" \
		-H "Signature: sig1=:$(printf %s "$lines" | sign):" "${headers[@]}" -w '\n%{http_code}')
	if [ "${answer##*$'\n'}" != "$WANT" ]; then
		echo "$method $2: $answer, expected $WANT" >&2
		return 1
	fi
	printf %s "${answer%$'\n'*}"
}

# native PATH BODY declares something under /v1, where customers and accounts come from.
native() { curl -sS --fail-with-body -X POST "$URL/v1$1" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' --data-binary "$2"; }

# member NAME prints a member of the JSON object on standard input.
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# is STATUS ID tells a card's state, and fails unless it is the one that is expected.
is() {
	local status
	status=$(WANT=200 call GET "/cards/$2" | member status)
	echo "card $2 is $status"
	[ "$status" = "$1" ] || { echo "expected $1" >&2; return 1; }
}

echo '== A customer and an account'
who=flow-$(openssl rand -hex 6)
native /customers "{\"reference\":\"$who\",\"first_name\":\"Ana\",\"last_name\":\"Gomez\"}" >/dev/null
account=$(native /accounts "{\"reference\":\"$who\",\"customer\":\"$who\"}" | member id)
echo "account $account, $who"

address='{"firstLine":"Calle 1","city":"Madrid","country":"ES","postCode":"28001"}'
virtual="{\"type\":\"virtual\",\"billingAddress\":$address}"
physical="{\"type\":\"physical\",\"billingAddress\":$address,\"shippingAddress\":$address}"

echo '== A virtual card is created, and issued by the simulator'
key=$(uuid)
created=$(KEY=$key WANT=201 call POST "/accounts/$account/cards" "$virtual")
echo "$created"
card=$(member id <<<"$created")
is issuing "$card"
WANT=202 call PATCH "/simulator/cards/$card/issue"
is active "$card"

echo '== The same request again is answered the same; another one with its key is refused, and so is a second virtual card'
[ "$(KEY=$key WANT=201 call POST "/accounts/$account/cards" "$virtual")" = "$created" ]
KEY=$key WANT=422 call POST "/accounts/$account/cards" "$physical" && echo
WANT=409 call POST "/accounts/$account/cards" "$virtual" && echo

echo '== It is stopped, goes on, and ends'
WANT=200 call POST "/cards/$card/deactivate" >/dev/null
is inactive "$card"
WANT=200 call POST "/cards/$card/activate" >/dev/null
is active "$card"
WANT=204 call DELETE "/cards/$card"
is terminated "$card"

echo '== The issuing of another one fails'
card=$(WANT=201 call POST "/accounts/$account/cards" "$virtual" | member id)
WANT=202 call PATCH "/simulator/cards/$card/fail"
is issue_failed "$card"

echo '== A physical card leaves in the next file'
card=$(WANT=201 call POST "/accounts/$account/cards" "$physical" | member id)
is issuing "$card"

echo '== All of them'
WANT=200 call GET "/accounts/$account/cards"
echo
