#!/bin/bash
# A virtual card over the FinHub dialect, with nothing but curl and openssl.
#
# Before it, once, in the directory of platen.yaml:
#
#   export TENANT=demo-bank EMAIL=ops@bank.example
#   export PASSWORD=...   # the key that `platen client create ops@bank.example --roles submit,operate,money,fund,holders,pin` shows
#   openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out app.key && openssl pkey -in app.key -pubout -out app.pub
#   # and app.pub as public_key of a zone `finhub` in programs/zones.yaml, with `platen apply -f programs`
#
# and then: URL=http://127.0.0.1:8080 KEYFILE=app.key samples/flows/finhub-virtual.sh
set -euo pipefail
shopt -s inherit_errexit
. "$(dirname "$0")/finhub-call.sh"
: "${KEYFILE:?}"

echo '== 0. The account is funded'
wallet=$(wallet 500.00)

echo '== 1. The card BIN, and 2. whether it needs a cardholder'
type=$(ask /card/v2/cardTypes '"mode":"PREPAID_CARD","type":"Virtual","category":"PURCHASE"')
id=$(member cardTypeId <<<"$type")
echo "card type $id needs a cardholder: $(member needCardHolder <<<"$type")"

echo '== 4. A card with 100.00; the same order again is the same card'
number=$(order)
asked="\"merchantOrderNo\":\"$number\",\"cardTypeId\":$id,\"amount\":100,\"accountId\":\"$wallet\""
card=$(ask /card/v2/openCard "$asked" | member cardNo)
[ "$(ask /card/v2/openCard "$asked" | member cardNo)" = "$card" ]
echo "card $card"

echo '== 5. Its state and balance'
is "$card" Normal 100.00

echo '== 6. Its number, CVV and expiry, encrypted to our key'
told=$(ask /card/info/sensitive "\"cardNo\":\"$card\"")
number=$(opened cardNumber <<<"$told")
[ ${#number} = 16 ] && [ "$(opened cvv <<<"$told" | wc -c)" = 3 ] && [[ $(opened expireDate <<<"$told") == */20* ]]

echo '== It is loaded, withdrawn from, frozen, unfrozen and cancelled'
ask /card/deposit "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"amount\":50" >/dev/null
is "$card" Normal 149.75
ask /card/withdraw "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"amount\":100" >/dev/null
REFUSED=balance_retained ask /card/withdraw "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"amount\":49.75" >/dev/null
ask /card/v2/freeze "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\"" >/dev/null
is "$card" Freeze 49.75
ask /card/v2/unfreeze "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\"" >/dev/null
ask /card/cancel "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\"" >/dev/null
is "$card" cancel 0.00

echo '== What the card cost, 1.00, and the deposit, 0.25, is all that is gone'
holds "$wallet" 498.75
