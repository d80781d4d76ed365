#!/bin/bash
# Cards in numbers over the FirstVision dialect, with nothing but curl and openssl: a generic customer, a mass card issue, and requests beside it that have identifiers.
#
# Before it, once, in the directory of platen.yaml:
#
#   platen client create app --secret --roles submit,operate
#   export APIKEY=...   # the keyid that it shows
#   export SECRET=...   # the secret that it shows
#
# and then: URL=http://127.0.0.1:8080 samples/flows/firstvision-mass.sh
#
# The next cut-off (platen run nightly) makes the cards.
set -euo pipefail
. "$(dirname "$0")/firstvision-call.sh"

echo '== 1. A generic customer, on whom the cards hang until somebody gets them'
customer=$(WANT=201 call POST /customer '{"organizationNumber":"001","nameLine1":"GIFT CARDS","postalCode":"28001"}' | member customerNumber)
echo "customer $customer"

# request QUANTITY SCHEME prints a mass card issue.
request() {
	printf '%s' '{"organizationNumber":"001","logo":"300","cardType":1,"functionType":"A","status":1,"bankOrigin":1,"branch":0,"minimumQuantity":1,"inventoryControl":"SO",' \
		'"expiryDate":"2032-06-30","creditLimit":100,"blockCode1":"","blockCode2":"","embosserCode":"B","prepaidCardFlag":1,"prepaidPlanNumber":12,"promoCode":"GIFT",' \
		'"userCode1":0,"userCode2":0,"userCode3":0,"emblem":0,' "\"customerNumber\":\"$customer\",\"quantityToCreate\":$1,\"scheme\":$2}"
}

echo '== 2. Five cards with a number each; they are made blocked'
WANT=200 call POST /cards/mass-card-issue-L8V3 "$(request 5 3)"

echo '== The same key again exists already; cards that share a number are none'
WANT=422 call POST /cards/mass-card-issue-L8V3 "$(request 5 3)"
WANT=422 call POST /cards/mass-card-issue-L8V3 "$(request 5 1)"

echo '== 3. Requests with identifiers stand beside it: one is changed, one is purged'
# keyed ID FUNCTION STATUS QUANTITY prints one.
keyed() {
	printf '%s' "{\"organizationNumber\":\"001\",\"logo\":\"300\",\"cardType\":1,\"requestIdentifier\":\"$1\",\"record\":{\"functionType\":\"$2\",\"status\":$3},\"customerNumber\":\"$customer\",\"account\":{}," \
		"\"card\":{\"expirationDate\":\"2032-06-30\",\"scheme\":3,\"isPrepaid\":1,\"prepaidPlanNumber\":12,\"inventory\":{\"control\":\"SO\",\"issuedQuantity\":$4}}}"
}
WANT=200 call PUT /cards/v1/cards/massIssue "$(keyed A1 A 1 2)"
WANT=200 call PUT /cards/v1/cards/massIssue "$(keyed A1 M 1 3)"
WANT=200 call PUT /cards/v1/cards/massIssue "$(keyed A2 A 1 2)"
WANT=200 call PUT /cards/v1/cards/massIssue "$(keyed A2 M 9 2)"

echo '== 4. What stands'
WANT=200 call GET '/cards/mass-card-issue-L8V3?organizationNumber=001&logo=300&cardType=1' ''
WANT=200 call GET '/cards/v1/cards/massIssue?organizationNumber=001&logo=300&cardType=1&requestIdentifier=A1' ''
