#!/bin/bash
# A virtual and a physical card over the Enfuce dialect, with nothing but curl.
#
# Before it, once, in the directory of platen.yaml:
#
#   export TOKEN=...   # the key that `platen client create app --roles submit,operate,pin` shows
#
# and then: URL=http://127.0.0.1:8080 samples/flows/enfuce.sh
set -euo pipefail
: "${URL:?}" "${TOKEN:?}"

# call METHOD PATH [BODY] sends a request, prints the answer's body, and fails unless the status is $WANT.
call() {
	local body=() answer
	[ -z "${3-}" ] || body=(-H 'Content-Type: application/json' --data-binary "$3")
	answer=$(curl -sS -X "$1" "$URL/enfuce$2?auditUser=reader" -H "Authorization: Bearer $TOKEN" "${body[@]}" -w '\n%{http_code}')
	if [ "${answer##*$'\n'}" != "$WANT" ]; then
		echo "$1 $2: $answer, expected $WANT" >&2
		return 1
	fi
	printf '%s\n' "${answer%$'\n'*}"
}

# native PATH BODY declares something under /v1, where customers and accounts come from.
native() { curl -sS --fail-with-body -X POST "$URL/v1$1" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' --data-binary "$2"; }

# member NAME prints a member of the JSON object on standard input.
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

echo '== A customer and an account, whose numbers are digits'
number=$(date +%s)$((RANDOM % 10))
native /customers "{\"reference\":\"$number\",\"first_name\":\"Monica\",\"last_name\":\"Liikamaa\",\"address1\":\"Katu 1\",\"city\":\"Espoo\",\"country\":\"FI\"}" >/dev/null
native /accounts "{\"reference\":\"$number\",\"customer\":\"$number\"}" >/dev/null
echo "account $number"
owner="customer/$number/account/$number"

echo '== A virtual card'
card=$(WANT=201 call POST "/v4/VISA_VIRTUAL/$owner/MAIN" \
	'{"expiration":{"year":2030,"month":1},"segment":"SEGMENT_A","pinStatus":"D","embossing":{"firstName":"Monica","lastName":"Liikamaa","physical":false},"additionalValues":[{"key":"group","value":"7"}]}' | member id)
echo "card $card"

echo '== It is refused a plastic, and names that are too long together'
WANT=409 call POST "/v4/VISA_VIRTUAL/$owner/MAIN" '{"embossing":{"physical":true}}'
WANT=400 call POST "/v4/VISA_VIRTUAL/$owner/MAIN" '{"embossing":{"firstName":"Monica Elisabet","lastName":"Liikamaa-Virtanen"}}'

echo '== It is stopped, goes on, and is closed'
for status in 'Card Blocked' 'Card OK' 'Card Closed'; do
	WANT=200 call PATCH "/v4/VISA_VIRTUAL/$card" "{\"status\":\"$status\"}"
done

echo '== A physical card may be in use before its plastic is made'
card=$(WANT=201 call POST "/v4/VISA_CARD/$owner/MAIN" '{"pinStatus":"D","embossing":{"manufacturer":"NORTH","physical":true},"cardDeliveryType":"MAIL"}' | member id)
WANT=200 call POST "/v3/$card/plastic/$card-1/update/ACTIVATE"
WANT=200 call POST "/v3/$card/update/RESET_PIN_ATTEMPT"
WANT=200 call GET "/v3/$card/plastic"

echo '== A card of another bureau layout: its file shows what is said besides (platen file describe)'
extra=$(WANT=201 call POST "/v4/MC_CARD/$owner/SUPPLEMENTARY" \
	'{"segment":"SEGMENT_B","additionalValues":[{"key":"group","value":"7"}],"embossing":{"companyName":"Acme & Co","externalLayoutCode":"BlueCard","additionalEmbossingName":"Eva","additionalField1":"Team Nord"}}' | member id)
echo "card with more on it $extra"

echo '== The plastic of the first is cancelled while nothing of it is made, and the card stays as it is'
WANT=200 call POST "/v3/$card/plastic/$card-1/update/CANCEL"
WANT=200 call GET "/v3/$card/plastic"
WANT=200 call GET "/v3/$card"

echo '== Another card takes its place; its plastic waits for a PIN, goes on without, and leaves in the next file'
card=$(WANT=200 call POST "/v3/$card/update/REPLACE_CARD" | member id)
echo "physical card $card"
for status in W D; do
	WANT=200 call PATCH "/v4/VISA_CARD/$card" "{\"pinStatus\":\"$status\"}"
	WANT=200 call GET "/v3/$card"
done
WANT=409 call POST "/v3/$card/update/REPLACE_CARD"
WANT=200 call GET "/v3/$card/plastic"
