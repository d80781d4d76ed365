package store

// moneyKinds are the kinds of operations that move money when they end well.
const moneyKinds = `o.kind BETWEEN 2 AND 8`

var ledgerInvariants = []Invariant{
	{"ledger.zero", "What all accounts of an institution hold in a currency adds up to nothing: money comes from outside and goes there.", `
		SELECT 'account' AS object, min(number) AS number, 'the accounts in ' || currency || ' add up to ' || sum(balance) AS detail
		FROM ledger_accounts GROUP BY institution_id, currency HAVING sum(balance) <> 0`},
	{"ledger.balances", "An account holds what its entries brought less what they took, and its newest entry says so.", `
		SELECT 'account' AS object, a.number, 'holds ' || a.balance || ', its entries say ' || coalesce(e.balance, 0) AS detail
		FROM ledger_accounts a LEFT JOIN (SELECT account, sum(amount) AS balance FROM (SELECT to_number AS account, amount FROM ledger_entries
			UNION ALL SELECT from_number, -amount FROM ledger_entries) moved GROUP BY account) e ON e.account = a.number WHERE a.balance <> coalesce(e.balance, 0)
		UNION ALL SELECT 'account', a.number, 'holds ' || a.balance || ', its newest entry says ' || CASE WHEN e.to_number = a.number THEN e.to_balance ELSE e.from_balance END
		FROM ledger_accounts a JOIN ledger_entries e ON e.number = (SELECT max(number) FROM (SELECT max(number) AS number FROM ledger_entries WHERE to_number = a.number
			UNION ALL SELECT max(number) FROM ledger_entries WHERE from_number = a.number) last)
		WHERE a.balance <> CASE WHEN e.to_number = a.number THEN e.to_balance ELSE e.from_balance END`},
	{"ledger.overdrawn", "No account but the house's own is, or ever was, in debt.", `
		SELECT 'account' AS object, a.number, 'holds ' || a.balance AS detail FROM ledger_accounts a WHERE a.kind < 4 AND a.balance < 0
		UNION ALL SELECT 'account', a.number, 'held ' || e.from_balance || ' after entry ' || e.number FROM ledger_entries e JOIN ledger_accounts a ON a.number = e.from_number
		WHERE a.kind < 4 AND e.from_balance < 0`},
	{"ledger.posted", "An operation that ended well moved its money once, less its fee, and what has not ended well moved none.", `
		SELECT 'operation' AS object, o.number, 'is for ' || o.amount || ' with a fee of ' || o.fee || ', in state ' || o.state || ', moved ' || coalesce(e.moved, 0) || ' and ' || coalesce(e.fee, 0) AS detail
		FROM operations o LEFT JOIN (SELECT operation_number, sum(CASE WHEN part = 1 THEN amount ELSE 0 END) AS moved, sum(CASE WHEN part = 2 THEN amount ELSE 0 END) AS fee, count(*) AS parts,
			min(from_number) AS from_number, max(from_number) AS last_from, max(CASE WHEN part = 1 THEN to_number END) AS to_number FROM ledger_entries GROUP BY operation_number) e ON e.operation_number = o.number
		WHERE CASE WHEN o.state = OPERATION_SUCCESS AND ` + moneyKinds + ` THEN coalesce(e.moved, 0) <> o.amount - o.fee OR coalesce(e.fee, 0) <> o.fee
			OR coalesce(e.parts, 0) <> CASE WHEN o.amount > o.fee THEN 1 ELSE 0 END + CASE WHEN o.fee > 0 THEN 1 ELSE 0 END
			OR e.from_number <> o.from_number OR e.last_from <> o.from_number OR o.amount > o.fee AND e.to_number <> o.to_number ELSE e.parts IS NOT NULL END`},
}
