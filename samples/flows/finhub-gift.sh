#!/bin/bash
# A gift card over the FinHub dialect, with nothing but curl and openssl.
#
# Before it, once, in the directory of platen.yaml:
#
#   export TENANT=demo-bank EMAIL=ops@bank.example
#   export PASSWORD=...   # the key that `platen client create ops@bank.example --roles submit,operate,money,fund,holders,pin` shows
#
# and then: URL=http://127.0.0.1:8080 samples/flows/finhub-gift.sh
set -euo pipefail
shopt -s inherit_errexit
. "$(dirname "$0")/finhub-call.sh"

wallet=$(wallet 100.00)

echo '== 1. The card BIN, and 2. whether it needs a cardholder'
type=$(ask /card/v2/cardTypes '"category":"GIFT"')
id=$(member cardTypeId <<<"$type")
echo "card type $id needs a cardholder: $(member needCardHolder <<<"$type")"

echo '== 3. A gift of 25.00'
card=$(ask /card/v2/openCard "\"merchantOrderNo\":\"$(order)\",\"cardTypeId\":$id,\"amount\":\"25.00\",\"accountId\":\"$wallet\"" | member cardNo)
is "$card" Normal

echo '== 4. Nothing but where it is redeemed'
told=$(ask /card/info/sensitive "\"cardNo\":\"$card\"")
echo "to be shared with its recipient: $(member activateUrl <<<"$told")"
[[ $told != *cardNumber* && $told != *cvv* && $told != *expireDate* ]]

echo '== It is neither loaded nor withdrawn from, frozen nor unfrozen'
for path in /card/deposit /card/withdraw; do
	REFUSED=feature_disabled ask $path "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\",\"amount\":10" >/dev/null
done
for path in /card/v2/freeze /card/v2/unfreeze; do
	REFUSED=feature_disabled ask $path "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\"" >/dev/null
done

echo '== It is cancelled, and its money is back, less what the card cost, 0.50'
holds "$wallet" 74.50
ask /card/cancel "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"$card\"" >/dev/null
is "$card" cancel
holds "$wallet" 99.50
