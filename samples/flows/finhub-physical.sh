#!/bin/bash
# A card from printed stock over the FinHub dialect, with nothing but curl and openssl: from the order of the stock to the activation.
#
# Before it, once, in the directory of platen.yaml:
#
#   export TENANT=demo-bank EMAIL=ops@bank.example
#   export PASSWORD=...   # the key that `platen client create ops@bank.example --roles submit,operate,money,fund,holders,pin,admin` shows
#   openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out app.key && openssl pkey -in app.key -pubout -out app.pub
#   # and app.pub as public_key of a zone `finhub` in programs/zones.yaml, with `platen apply -f programs`
#   export PLATEN='platen --config platen.yaml'   # how platen is called: it runs the cycle, and reads the number from a file as whoever holds the card reads it
#   export HOOK=http://127.0.0.1:9000 MESSAGES=messages   # a server that answers {"success":true}, and where it puts what it is told: NUMBER.body, and the header
#                                                         # X-FC-SIGNATURE as NUMBER.signature before it; webhooks.allow of platen.yaml lets it be reached
#
# and then: URL=http://127.0.0.1:8080 KEYFILE=app.key samples/flows/finhub-physical.sh, with `platen bureau simulate` beside it
set -euo pipefail
shopt -s inherit_errexit
. "$(dirname "$0")/finhub-call.sh"
: "${KEYFILE:?}" "${PLATEN:?}" "${HOOK:?}" "${MESSAGES:?}"

# await COMMAND... waits for something that must happen.
await() {
	local n
	for n in {1..1200}; do
		if "$@"; then return; fi
		sleep 0.1
	done
	echo "waited for $* too long" >&2
	return 1
}

wallet=$(wallet 100.00)
native POST /webhooks "{\"url\":\"$HOOK\",\"form\":\"finhub\"}" | member public_key | sed 's/\\n/\n/g' >"$MESSAGES/public.pem"

echo '== 1. Three cards are ordered, go to their bureau in a file, and come back produced'
stock=STOCK-$(openssl rand -hex 6)
printf 'product,quantity\nprepaid-plastic,3\n' | curl -sS --fail-with-body "$URL/v1/orders?reference=$stock" -H "Authorization: Bearer $PASSWORD" -H 'Content-Type: text/csv' --data-binary @- >/dev/null
$PLATEN run --cycle nightly >/dev/null
produced() { native GET "/cards/$stock%231" 2>/dev/null | grep -q '"state":"PRODUCED"'; }
await produced
file=$(native GET "/cards/$stock%231" | sed 's/.*"file":{\([^}]*\)}.*/{\1}/' | member number)
$PLATEN file replay "$file" --output "$MESSAGES/cards.csv" --in-clear --reason 'the card in the hand of its holder'
number=$(sed -n 's/^"\{0,1\}D"\{0,1\};/D;/p' "$MESSAGES/cards.csv" | head -1 | cut -d';' -f6 | tr -d '"')
rm "$MESSAGES/cards.csv"
echo "printed on the card: ${number:0:6}******${number: -4}"

echo '== 2. The card BIN needs a cardholder'
type=$(ask /card/v2/cardTypes '"type":"Physical"')
id=$(member cardTypeId <<<"$type")
[ "$(member needCardHolder <<<"$type")" = true ]

echo '== 3. The cardholder is handed in, and passes the audit'
holder=$(ask /card/holder/v2/create "\"merchantOrderNo\":\"$(order)\",\"cardTypeId\":$id,\"cardHolderModel\":\"B2B\",\"areaCode\":\"+34\",\"mobile\":\"600123456\",\"email\":\"$stock@example.com\",\"firstName\":\"Ana\",\
\"lastName\":\"Gomez\",\"birthday\":\"1990-02-28\",\"country\":\"ES\",\"town\":\"ES-MD\",\"address\":\"Calle Mayor 2\",\"postCode\":\"28013\"" | member holderId)
asked="\"cardTypeId\":$id,\"amount\":20,\"accountId\":\"$wallet\",\"cardNumber\":\"$number\",\"holderId\":\"$holder\""
REFUSED=holder_needed ask /card/v2/openCard "\"merchantOrderNo\":\"$(order)\",$asked" >/dev/null
native POST "/holders/$holder/review" >/dev/null
native POST "/holders/$holder/pass" >/dev/null

echo '== 4. The card is bound to its holder by the printed number, once'
card=$(ask /card/v2/openCard "\"merchantOrderNo\":\"$(order)\",$asked" | member cardNo)
REFUSED=card_bound ask /card/v2/openCard "\"merchantOrderNo\":\"$(order)\",$asked" >/dev/null
is "$card" un_activated 20.00
told=$(ask /card/info/sensitive "\"cardNo\":\"$card\"")
[[ $told != *cvv* && $told != *\"cardNumber* ]]

echo '== 5. The activation code arrives, signed'
message() { grep -l '"activeCode"' "$MESSAGES"/*.body 2>/dev/null | xargs -r grep -l "$card" >/dev/null; }
await message
body=$(grep -l '"activeCode"' "$MESSAGES"/*.body | xargs grep -l "$card" | head -1)
openssl base64 -d -A <"${body%.body}.signature" >"$MESSAGES/signature"
openssl dgst -sha256 -verify "$MESSAGES/public.pem" -signature "$MESSAGES/signature" "$body"
code=$(member activeCode <"$body")

echo '== 6. A wrong code is refused, and so is a PIN that is easy to guess; then it is activated'
wrong=$(((10#$code + 1) % 1000000))
REFUSED=activation_code_wrong ask /card/activate "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"pin\":\"135792\",\"activeCode\":\"$(printf %06d $wrong)\"" >/dev/null
REFUSED=pin_weak ask /card/activate "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"pin\":\"123456\",\"activeCode\":\"$code\"" >/dev/null
ask /card/activate "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"pin\":\"135792\",\"activeCode\":\"$code\"" >/dev/null
is "$card" Normal 20.00

echo '== 7. Its number is the one that is printed on it'
[ "$(ask /card/info/sensitive "\"cardNo\":\"$card\"" | opened cardNumber)" = "$number" ]
ask /card/updatePin "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"pin\":\"864202\"" >/dev/null

echo '== The card has cost 5.00, and is loaded with 20.00'
holds "$wallet" 75.00
echo "physical card $card"
