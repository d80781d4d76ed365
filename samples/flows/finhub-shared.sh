#!/bin/bash
# Cards that share a pool over the FinHub dialect, with nothing but curl and openssl.
#
# Before it, once, in the directory of platen.yaml:
#
#   export TENANT=demo-bank EMAIL=ops@bank.example
#   export PASSWORD=...   # the key that `platen client create ops@bank.example --roles submit,operate,money,fund,holders,pin` shows
#
# and then: URL=http://127.0.0.1:8080 samples/flows/finhub-shared.sh
set -euo pipefail
shopt -s inherit_errexit
. "$(dirname "$0")/finhub-call.sh"

wallet=$(wallet 1000.00)

echo '== 1. The card BIN, and 2. whether it needs a cardholder'
type=$(ask /card/v2/cardTypes '"mode":"BUDGET_CARD"')
id=$(member cardTypeId <<<"$type")
echo "card type $id needs a cardholder: $(member needCardHolder <<<"$type")"

echo '== 3. The MARGIN account'
pool=$(ask /account/create "\"merchantOrderNo\":\"$(order)\",\"accountType\":\"MARGIN\",\"currency\":\"EUR\"" | member accountId)

echo '== 4. It is funded from the wallet'
ask /account/transfer "\"merchantOrderNo\":\"$(order)\",\"fromAccountId\":\"$wallet\",\"toAccountId\":\"$pool\",\"amount\":300,\"type\":\"TRANSFER\"" >/dev/null
holds "$pool" 300.00

echo '== 5. and 6. Two cards'
for n in 1 2; do
	cards[n]=$(ask /card/v2/openCard "\"merchantOrderNo\":\"$(order)\",\"cardTypeId\":$id,\"amount\":0,\"accountId\":\"$pool\"" | member cardNo)
	echo "card ${cards[n]}"
done

echo '== 7. Each is allocated its part, and no more than there is'
ask /card/deposit "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"${cards[1]}\",\"amount\":200" >/dev/null
REFUSED=insufficient_funds ask /card/deposit "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"${cards[2]}\",\"amount\":100.01" >/dev/null
ask /card/deposit "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"${cards[2]}\",\"amount\":100" >/dev/null
ask /card/withdraw "\"merchantOrderNo\":\"$(order)\",\"cardNo\":\"${cards[1]}\",\"amount\":150" >/dev/null

echo '== Pool, cards and wallet add up'
is "${cards[1]}" Normal 50.00
is "${cards[2]}" Normal 100.00
holds "$pool" 150.00
holds "$wallet" 700.00
