# What the flows over FirstVision share: how a request is signed and sent. URL, APIKEY and SECRET are in the environment.
: "${URL:?}" "${APIKEY:?}" "${SECRET:?}"

key=$(openssl base64 -d -A <<<"$SECRET" | od -An -v -tx1 | tr -d ' \n')

# call METHOD PATH BODY sends a signed request, prints the answer's body, and fails unless the status is $WANT. ID is its request id.
call() {
	local path=/firstvision$2 id=${ID-$(openssl rand -hex 16)} at answer signature
	at=$(date +%s)000
	signature=$(printf '%s\n%s\n%s\n%s\n%s' "$at" "$id" "$1" "$path" "$3" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
	answer=$(curl -sS -X "$1" "$URL$path" -H 'Content-Type: application/json' -H "apikey: $APIKEY" -H "X-Client-Request-Id: $id" -H "Timestamp: $at" -H "Signature: $signature" \
		--data-binary "$3" -w '\n%{http_code}')
	if [ "${answer##*$'\n'}" != "$WANT" ]; then
		echo "$1 $2: $answer, expected $WANT" >&2
		return 1
	fi
	printf '%s\n' "${answer%$'\n'*}"
}

# member NAME prints a member of the JSON object on standard input.
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
