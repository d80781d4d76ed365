package card

// OperationState is where an operation with money or on a prepaid card stands. The numbers are stored and never change.
type OperationState uint8

// The states of an operation.
const (
	OperationWaiting OperationState = iota + 1
	OperationProcessing
	OperationSuccess
	OperationFail
)

var operationStateNames = map[OperationState]string{OperationWaiting: "WAIT_PROCESS", OperationProcessing: "PROCESSING", OperationSuccess: "SUCCESS", OperationFail: "FAIL"}

var operationMoves = map[OperationState][]OperationState{
	OperationWaiting:    {OperationProcessing, OperationSuccess, OperationFail},
	OperationProcessing: {OperationSuccess, OperationFail},
}

// To checks a transition.
func (s OperationState) To(next OperationState) error {
	return move("operation", operationMoves, s, next)
}

// Ended tells whether an operation is what it will be.
func (s OperationState) Ended() bool { return s == OperationSuccess || s == OperationFail }

// String is the state's name.
func (s OperationState) String() string { return nameOf(operationStateNames, s) }

// MarshalText writes the name.
func (s OperationState) MarshalText() ([]byte, error) {
	return marshalName(operationStateNames, s, "operation state")
}

// OperationKind is what an operation does. The numbers are stored and never change.
type OperationKind uint8

// The kinds of operations.
const (
	OpenAccount OperationKind = iota + 1
	Fund                      // money comes from outside into a wallet
	PayOut                    // money leaves a wallet
	Transfer                  // between wallets and pools
	Deposit                   // from a card's wallet, or pool, to the card
	Withdraw                  // and back
	OpenCard                  // with its account, which costs its price
	CancelCard                // what it holds goes back
	ActivateCard
	FreezeCard
	UnfreezeCard
	ChangePIN
	ChangeAttributes
)

var operationKindNames = map[OperationKind]string{OpenAccount: "OPEN_ACCOUNT", Fund: "FUND", PayOut: "PAY_OUT", Transfer: "TRANSFER", Deposit: "DEPOSIT", Withdraw: "WITHDRAW",
	OpenCard: "OPEN_CARD", CancelCard: "CANCEL_CARD", ActivateCard: "ACTIVATE_CARD", FreezeCard: "FREEZE_CARD", UnfreezeCard: "UNFREEZE_CARD", ChangePIN: "CHANGE_PIN",
	ChangeAttributes: "CHANGE_ATTRIBUTES"}

// String is the kind's name.
func (k OperationKind) String() string { return nameOf(operationKindNames, k) }

// MarshalText writes the name.
func (k OperationKind) MarshalText() ([]byte, error) {
	return marshalName(operationKindNames, k, "kind of operation")
}

// AccountKind is what a ledger account is for. The numbers are stored and never change.
type AccountKind uint8

// The kinds of ledger accounts. Those of the house may be in debt: they are the other side of what the others hold.
const (
	Wallet      AccountKind = iota + 1 // an institution's money for its cards
	Margin                             // a pool that several cards share
	CardAccount                        // what a card is loaded with
	Outside                            // of the house: where money comes from and goes to
	Fees                               // of the house: what cards cost
)

var accountKindNames = map[AccountKind]string{Wallet: "WALLET", Margin: "MARGIN", CardAccount: "CARD", Outside: "OUTSIDE", Fees: "FEES"}

// ParseAccountKind reads a kind by its name.
func ParseAccountKind(name string) (AccountKind, error) {
	return parseName(accountKindNames, name, "kind of account")
}

// House tells whether accounts of the kind are the house's own.
func (k AccountKind) House() bool { return k == Outside || k == Fees }

// String is the kind's name.
func (k AccountKind) String() string { return nameOf(accountKindNames, k) }

// MarshalText writes the name.
func (k AccountKind) MarshalText() ([]byte, error) {
	return marshalName(accountKindNames, k, "kind of account")
}
