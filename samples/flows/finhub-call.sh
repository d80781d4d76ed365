# What the flows over FinHub share: logging in, and asking. URL, TENANT, EMAIL and PASSWORD are in the environment: where the service is, the institution's code, a client's name and its key.
: "${URL:?}" "${TENANT:?}" "${EMAIL:?}" "${PASSWORD:?}"

base=$URL/finhub/api/v2.1/fincard/virtual

# member NAME prints a member of the JSON object on standard input: text, or a number.
member() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# order prints an order number that was not used.
order() { echo "FLOW-$(openssl rand -hex 12 | tr 0-9 g-p)"; }

token=$(curl -sS --fail-with-body "$URL/finhub/api/auth/login" -H 'Content-Type: application/json' \
	--data-binary "{\"email\":\"$EMAIL\",\"password\":\"$PASSWORD\",\"tenantId\":\"$TENANT\"}" | member accessToken)

# ask PATH MEMBERS asks for something, prints the answer, and fails unless it is a success; with REFUSED set, unless it is refused with that code.
ask() {
	local answer
	answer=$(curl -sS --fail-with-body "$base$1" -H "Authorization: Bearer $token" -H "X-Tenant-ID: $TENANT" -H 'Content-Type: application/json' --data-binary "{${2-}}")
	case "${REFUSED-}|$answer" in
	"|{\"success\":true"*) ;;
	?*"|{\"success\":false"*"\"errorCode\":\"${REFUSED-}\""*) ;;
	*)
		echo "$1: $answer, expected ${REFUSED:-success}" >&2
		return 1
		;;
	esac
	printf '%s\n' "$answer"
}

# native METHOD PATH BODY asks for something under /v1, where wallets are filled and holders audited.
native() { curl -sS --fail-with-body -X "$1" "$URL/v1$2" -H "Authorization: Bearer $PASSWORD" -H 'Content-Type: application/json' --data-binary "${3-}"; }

# wallet AMOUNT opens a wallet in euros, fills it, and prints its id.
wallet() {
	local id
	id=$(ask /account/create "\"merchantOrderNo\":\"$(order)\",\"accountType\":\"WALLET\",\"currency\":\"EUR\"" | member accountId)
	native POST "/ledger/accounts/$id/funds" "{\"reference\":\"$(order)\",\"amount\":\"$1\"}" >&2
	echo "$id"
}

# holds ACCOUNT AMOUNT tells what a wallet or a pool holds, and fails unless it is the amount.
holds() {
	local held
	held=$(ask /account/single/query "\"accountId\":\"$1\"" | member totalBalance)
	echo "account $1 holds $held"
	[ "$held" = "$2" ] || { echo "expected $2" >&2; return 1; }
}

# is CARD STATUS [BALANCE] tells a card's state and balance, and fails unless they are those.
is() {
	local answer status balance
	answer=$(ask /card/info "\"cardNo\":\"$1\"")
	status=$(member status <<<"$answer") balance=$(sed -n 's/.*"balanceInfo":{"amount":"\([^"]*\)".*/\1/p' <<<"$answer")
	echo "card $1 is $status with ${balance:-no balance that is told}"
	[ "$status" = "$2" ] && [ "$balance" = "${3-}" ] || { echo "expected $2 with ${3-}" >&2; return 1; }
}

# opened NAME decrypts a member of an answer about a card with the private key KEYFILE.
opened() { member "$1" | openssl base64 -d -A | openssl pkeyutl -decrypt -inkey "$KEYFILE" -pkeyopt rsa_padding_mode:pkcs1; }
