#!/bin/bash
# A digital card and a physical one over the FirstVision dialect, with nothing but curl and openssl: customer, account, embosser, activation.
#
# Before it, once, in the directory of platen.yaml:
#
#   platen client create app --secret --roles submit,operate
#   export APIKEY=...   # the keyid that it shows
#   export SECRET=...   # the secret that it shows
#
# and then: URL=http://127.0.0.1:8080 samples/flows/firstvision-digital.sh
set -euo pipefail
. "$(dirname "$0")/firstvision-call.sh"

echo '== 1. Customer add'
customer=$(WANT=201 call POST /customer '{"organizationNumber":"001","nameLine1":"ANA GOMEZ","houseAddress1":"Calle 1","city":"Madrid","postalCode":"28001","countryCode":"ES"}' | member customerNumber)
echo "customer $customer"

echo '== 2. Account add'
account=$(WANT=201 call POST /account "{\"organization\":\"001\",\"logo\":\"100\",\"customerNumber\":\"$customer\",\"creditLimit\":150000,\"billingCycle\":\"05\",\"shortName\":\"GOMEZ\"}" | member accountNumber)
echo "account $account"

echo '== 3. Embosser add: a digital card'
id=$(openssl rand -hex 16)
body="{\"organizationNumber\":\"001\",\"postToAccount\":\"$account\",\"cardAction\":\"0\",\"digitalCardFlag\":\"1\"}"
card=$(ID=$id WANT=201 call POST /cards/embosser "$body" | member cardNumber)
echo "card $card"

echo '== The same request again is refused: its id was used'
ID=$id WANT=401 call POST /cards/embosser "$body"

echo '== 4. Card activation'
WANT=200 call PUT /cards/activation "{\"organizationNumber\":\"001\",\"cardNumber\":\"$card\",\"serviceType\":\"S\"}"

echo '== A service that there is none of is refused'
WANT=400 call PUT /cards/activation "{\"organizationNumber\":\"001\",\"cardNumber\":\"$card\",\"serviceType\":\"X\"}"

echo '== A physical card on the same account leaves in the next file'
card=$(WANT=201 call POST /cards/embosser \
	"{\"organizationNumber\":\"001\",\"postToAccount\":\"$account\",\"cardAction\":\"1\",\"numberOfCardsRequested\":1,\"embossedName1\":\"ANA GOMEZ\"}" | member cardNumber)
echo "physical card $card"
