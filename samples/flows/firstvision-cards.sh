#!/bin/bash
# What issuers do with single cards over the FirstVision dialect, with nothing but curl and openssl: an instant card, what is told of it to the holder of a zone's key, PIN tries, card
# actions, a same-day request, a transfer and its reversal.
#
# Before it, once, in the directory of platen.yaml, with a zone POS that has a key, a data key and a public key, and a product with dynamic_cvv2 (docs/guide.md):
#
#   platen client create app --secret --roles submit,operate,pin,pan
#   export APIKEY=...   # the keyid that it shows
#   export SECRET=...   # the secret that it shows
#
# and then: URL=http://127.0.0.1:8080 samples/flows/firstvision-cards.sh
#
# With CARD=... it goes on with a card whose plastic has left for its bureau.
set -euo pipefail
. "$(dirname "$0")/firstvision-call.sh"

# on MORE prints a request about the card.
on() { printf '%s' "{\"organizationNumber\":\"001\",\"cardNumber\":\"$card\"$1}"; }

if [ -z "${CARD-}" ]; then
	echo '== 1. A customer, and at once an account and a card that is in use before its plastic is made'
	customer=$(WANT=201 call POST /customer '{"organizationNumber":"001","nameLine1":"LUIS DIAZ","houseAddress1":"Calle 2","city":"Madrid","postalCode":"28002","countryCode":"ES"}' | member customerNumber)
	card=$(WANT=201 call POST /account/v2/instantCard "{\"organizationNumber\":\"001\",\"logo\":\"100\",\"customerNumber\":\"$customer\",\"firstPurchaseFlag\":\"Y\",\"accountCreateFlag\":\"Y\",\"sameDayProcessingType\":\"0\",\"cardActionFlag\":\"1\",\"accountData\":{\"billingCycle\":\"05\",\"creditLimit\":2500},\"embosserData\":{\"digitalCardFlag\":\"0\",\"embossedName1\":\"LUIS DIAZ\"}}" | member cardNumber)
	echo "physical card $card"

	echo '== 2. Nothing was made yet: there is nothing to replace'
	WANT=422 call PUT /cards/embosser/cardAction-L8V2 "$(on ',"cardAction":"3","randomPin":"0","numberCardsRequested":1')"

	echo '== 3. Its number, told to the holder of the private key only'
	WANT=200 call POST /cards/embosser/card-pan "$(on ',"functionType":"C","keyAssociation":"POS"')"

	echo '== 4. Its security values, under the key of channel and association'
	WANT=200 call POST /cards/pin/security-codes "$(on ',"channel":"A","keyAssociation":"POS"')"

	echo '== 5. A CVV2 for one purchase; the printed one is not valid, until this is disabled'
	WANT=200 call POST /cards/pin/dynamic-values "$(on ',"channel":"A","keyAssociation":"POS","disableDCVV2":"N"')"
	WANT=200 call POST /cards/pin/dynamic-values "$(on ',"channel":"A","keyAssociation":"POS","disableDCVV2":"Y"')"

	echo '== 6. How often its PIN was wrong'
	WANT=200 call POST /cards/pin/invalid-attempts "$(on '')"
	echo 'Its plastic leaves with the next cut-off.'
	exit
fi

card=$CARD
echo '== 7. It was damaged: another one, which is taken back and asked for on the same day'
WANT=200 call PUT /cards/embosser/cardAction-L8V2 "$(on ',"cardAction":"3","randomPin":"0","numberCardsRequested":1,"cardActionReason":"D"')"
WANT=422 call PUT /cards/embosser/cardAction-L8V2 "$(on ',"cardAction":"3","randomPin":"0","numberCardsRequested":1')"
WANT=200 call PUT /cards/embosser/cardAction-L8V2 "$(on ',"cardAction":"0","randomPin":"0"')"
WANT=200 call POST /cards/embosser/sameDay "$(on ',"processType":"1","cardAction":"3"')"

echo '== 8. A new PIN, in a PIN mailer'
WANT=200 call PUT /cards/embosser/cardAction-L8V2 "$(on ',"cardAction":"5","randomPin":"1"')"

echo '== 9. A PIN block that is none of a PIN is refused'
WANT=422 call POST /cards/pin/validation "$(on ',"keyAssociation":"POS","currentPinBlock":"0123456789ABCDEF"')"
WANT=200 call POST /cards/pin/invalid-attempts "$(on '')"

echo '== 10. It is lost: blocked, and another takes its place at once'
account=$(WANT=201 call POST /account "{\"organization\":\"001\",\"logo\":\"100\",\"customerNumber\":\"$(WANT=201 call POST /customer '{"organizationNumber":"001","nameLine1":"LUIS DIAZ","houseAddress1":"Calle 2","city":"Madrid","postalCode":"28002","countryCode":"ES"}' | member customerNumber)\"}" | member accountNumber)
card=$(WANT=201 call POST /cards/embosser "{\"organizationNumber\":\"001\",\"postToAccount\":\"$account\",\"cardAction\":\"0\",\"digitalCardFlag\":\"1\"}" | member cardNumber)
WANT=200 call PUT /cards/activation "$(on ',"serviceType":"S"')"
lost=",\"accountNumberBase\":\"$account\",\"blockCode\":\"L\",\"issueType\":\"I\""
WANT=422 call PUT /cards/transfer "$(on ",\"function\":\"T\"$lost")"
WANT=200 call PUT /cards/embosser/block "$(on ',"functionCode":"B","blockCode":"L"')"
WANT=200 call PUT /cards/transfer "$(on ",\"function\":\"T\"$lost")"
