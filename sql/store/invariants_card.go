package store

var cardInvariants = []Invariant{
	{"card.issues", "The issues of a card are numbered from 1 to its newest one, without gap.", `
		SELECT 'card' AS object, c.id AS number, 'newest is ' || c.newest_issue || ', there are ' || count(i.issue) || ' up to ' || coalesce(max(i.issue), 0) AS detail
		FROM cards c LEFT JOIN issues i ON i.card_id = c.id GROUP BY c.id, c.newest_issue HAVING count(i.issue) <> c.newest_issue OR coalesce(max(i.issue), 0) <> c.newest_issue
		UNION ALL SELECT 'card', i.card_id, 'issue ' || i.issue || ' has no card' FROM issues i LEFT JOIN cards c ON c.id = i.card_id WHERE c.id IS NULL`},
	{"card.numbers", "Every card's number lies in a block that was reserved, and no two blocks share a number.", `
		SELECT 'range' AS object, r.number, 'holds ' || coalesce(c.cards, 0) || ' cards, its reservations ' || coalesce(b.cards, 0) AS detail
		FROM pan_ranges r LEFT JOIN (SELECT id >> 40 AS range_number, count(*) AS cards FROM cards GROUP BY id >> 40) c ON c.range_number = r.number
		LEFT JOIN (SELECT v.range_number, sum((SELECT count(*) FROM cards x WHERE x.id BETWEEN (CAST(v.range_number AS BIGINT) << 40) + v.first_sequence
			AND (CAST(v.range_number AS BIGINT) << 40) + v.first_sequence + v.quantity - 1)) AS cards FROM pan_reservations v GROUP BY v.range_number) b ON b.range_number = r.number
		WHERE coalesce(c.cards, 0) <> coalesce(b.cards, 0)
		UNION ALL SELECT 'range', a.range_number, 'the blocks at ' || a.first_sequence || ' and ' || b.first_sequence || ' overlap' FROM pan_reservations a
		JOIN pan_reservations b ON b.range_number = a.range_number AND b.first_sequence > a.first_sequence AND b.first_sequence < a.first_sequence + a.quantity
		UNION ALL SELECT 'range', r.number, 'its counter stands at ' || r.next_sequence || ', a block ends at ' || max(b.first_sequence + b.quantity)
		FROM pan_ranges r JOIN pan_reservations b ON b.range_number = r.number GROUP BY r.number, r.next_sequence HAVING max(b.first_sequence + b.quantity) > r.next_sequence`},
	{"card.planned", "A new card stands on the line that its number was reserved for, and carries the order that asked for it.", `
		SELECT 'file' AS object, s.file_number AS number, 'line ' || i.line || ' carries another card than was planned' AS detail
		FROM file_slices s JOIN issues i ON i.file_number = s.file_number AND i.line BETWEEN s.first_line AND s.first_line + s.quantity - 1
		WHERE (s.kind = 1 AND (i.card_id <> (CAST(s.range_number AS BIGINT) << 40) + s.first_sequence + i.line - s.first_line OR i.issue <> 1))
			OR (s.kind IN (1, 2, 5) AND i.order_number <> s.source)
		UNION ALL SELECT 'file', s.file_number, 'the numbers of the slice at line ' || s.first_line || ' were not reserved for it' FROM file_slices s WHERE s.kind = 1
			AND NOT EXISTS (SELECT 1 FROM pan_reservations r WHERE r.range_number = s.range_number AND r.file_number = s.file_number
				AND r.first_sequence <= s.first_sequence AND r.first_sequence + r.quantity >= s.first_sequence + s.quantity)`},
	{"card.remade", "A card is made again only after the bureau, or the cancelling of its file, has ended the issue before.", `
		SELECT 'card' AS object, i.card_id AS number, 'issue ' || i.issue || ' repeats one that is not ended' AS detail
		FROM issues i JOIN issues p ON p.card_id = i.card_id AND p.issue = i.issue - 1
		WHERE i.reason = REASON_REMAKE AND p.state NOT IN (ISSUE_REJECTED, ISSUE_SPOILED, ISSUE_DESTROYED, ISSUE_CANCELLED)
		UNION ALL SELECT 'card', m.card_id, 'PIN mailer ' || m.attempt || ' of issue ' || m.issue || ' repeats one that is not ended'
		FROM pin_mailers m LEFT JOIN pin_mailers p ON p.card_id = m.card_id AND p.issue = m.issue AND p.attempt = m.attempt - 1
		WHERE m.attempt > 1 AND m.reason = 0 AND coalesce(p.state, 0) NOT IN (ISSUE_REJECTED, ISSUE_SPOILED, ISSUE_DESTROYED, ISSUE_CANCELLED)`},
	{"card.waiting", "An issue without a file waits for one or is cancelled; one in a file does not wait.", `
		SELECT 'card' AS object, i.card_id AS number, 'issue ' || i.issue || ' is in state ' || i.state || CASE WHEN i.file_number IS NULL THEN ' without a file' ELSE ' in a file' END AS detail
		FROM issues i WHERE (i.file_number IS NULL AND i.state NOT IN (ISSUE_REQUESTED, ISSUE_PREPARED, ISSUE_CANCELLED)) OR (i.file_number IS NOT NULL AND i.state = ISSUE_REQUESTED)
			OR (i.file_number IS NULL) <> (i.line IS NULL)
		UNION ALL SELECT 'card', m.card_id, 'PIN mailer of issue ' || m.issue || ' belongs to no issue' FROM pin_mailers m
		LEFT JOIN issues i ON i.card_id = m.card_id AND i.issue = m.issue WHERE i.card_id IS NULL OR (m.file_number IS NULL) <> (m.line IS NULL)`},
	{"card.use", "At most one issue of a card is the current one.", `
		SELECT 'card' AS object, i.card_id AS number, count(*) || ' current issues' AS detail FROM issues i WHERE i.use_state = 2 GROUP BY i.card_id HAVING count(*) > 1`},
	{"card.replaced", "A card that was replaced is closed, and what replaces it exists.", `
		SELECT 'card' AS object, c.id AS number, 'replaced, in status ' || c.status AS detail FROM cards c LEFT JOIN cards r ON r.id = c.replaced_by
		WHERE c.replaced_by IS NOT NULL AND (r.id IS NULL OR c.status <> 4)`},
	{"card.closing", "A closing is scheduled for a card that lives.", `
		SELECT 'card' AS object, s.card_id AS number, 'is to be closed, in status ' || coalesce(c.status, 0) AS detail FROM scheduled_closings s LEFT JOIN cards c ON c.id = s.card_id
		WHERE c.id IS NULL OR c.status = 4`},
	{"line.evidence", "A line has a state of its own because a return line that was applied says so.", `
		SELECT 'file' AS object, l.file_number AS number, 'line ' || l.line || ' is in state ' || l.state || ' and no return line says so' AS detail
		FROM ` + fileLines + ` l JOIN files f ON f.number = l.file_number
		WHERE l.state NOT IN (ISSUE_FOLLOWS_FILE, ISSUE_CANCELLED) AND f.purged_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM return_lines t WHERE t.file_number = l.file_number AND t.file_line = l.line AND t.outcome = 1)
			AND NOT EXISTS (SELECT 1 FROM return_lines t WHERE t.file_number = l.file_number AND t.last_line IS NOT NULL AND l.line BETWEEN t.file_line AND t.last_line AND t.outcome = 1)
			AND NOT EXISTS (SELECT 1 FROM shipment_runs s JOIN return_lines t ON t.shipment = s.shipment AND t.outcome = 1
				WHERE s.file_number = l.file_number AND l.line BETWEEN s.first_line AND s.last_line)`},
}

// lineQuantity is how many cards the lines of an order ask for; a corrected row whose card a bureau had refused asks for no further one.
const lineQuantity = `coalesce(sum(CASE WHEN l.reason = REASON_REMAKE THEN 0 ELSE l.quantity END), 0)`

var orderInvariants = []Invariant{
	{"order.requested", "An order asks for as many cards as its lines do, and its rows that wait for a correction are counted.", `
		SELECT 'order' AS object, o.number, 'requested ' || o.requested || ', its lines ask for ' || ` + lineQuantity + ` AS detail
		FROM orders o LEFT JOIN order_lines l ON l.order_number = o.number WHERE o.state <> ORDER_RECEIVED AND o.purged_at IS NULL GROUP BY o.number, o.requested HAVING ` + lineQuantity + ` <> o.requested
		UNION ALL SELECT 'order', o.number, 'counts ' || o.refused_rows || ' refused rows, ' || count(e.source_line) || ' wait for a correction'
		FROM orders o LEFT JOIN order_errors e ON e.order_number = o.number AND NOT e.corrected AND e.faults NOT LIKE '%bureau_rejected%' WHERE o.state <> ORDER_RECEIVED AND o.purged_at IS NULL
		GROUP BY o.number, o.refused_rows HAVING count(e.source_line) <> o.refused_rows`},
	{"order.lines", "Every order line belongs to an order and asks for a product.", `
		SELECT 'order' AS object, l.order_number AS number, 'the line of unit ' || l.unit || ' has no ' || CASE WHEN o.number IS NULL THEN 'order' ELSE 'product' END AS detail
		FROM order_lines l LEFT JOIN orders o ON o.number = l.order_number LEFT JOIN programs p ON p.number = l.product_number WHERE o.number IS NULL OR p.number IS NULL`},
	{"order.pin_held", "A line that waits for a PIN, or has one for the next issue of its card, asks for one plastic of a card that exists, and no file has that.", `
		SELECT 'order' AS object, l.order_number AS number, 'unit ' || l.unit || ' waits for a PIN, or has one, and ' || CASE WHEN c.id IS NULL OR l.quantity <> 1 THEN 'is not of one card' ELSE 'its plastic has one of its own' END AS detail
		FROM order_lines l LEFT JOIN cards c ON c.id = l.card_id WHERE (l.pin_held_at IS NOT NULL OR l.pin IS NOT NULL) AND (c.id IS NULL OR l.quantity <> 1 OR (l.pin IS NOT NULL AND l.reason = REASON_NEW))
		UNION ALL SELECT 'order', l.order_number, 'unit ' || l.unit || ' waits for a PIN and its plastic is in file ' || i.file_number
		FROM order_lines l JOIN issues i ON i.order_number = l.order_number AND i.order_unit = l.unit WHERE l.pin_held_at IS NOT NULL AND i.file_number IS NOT NULL`},
	{"order.planned", "Every card that an order's planned lines ask for stands on one line of one file or was cancelled, and no other does.", `
		SELECT 'order' AS object, o.number, 'planned lines ask for ' || coalesce(l.cards, 0) || ' cards, files carry ' || coalesce(s.cards, 0) || ', cancelled are ' || o.cancelled AS detail
		FROM orders o LEFT JOIN (SELECT l.order_number, ` + lineQuantity + ` AS cards FROM order_lines l WHERE l.state IN (2, 3, 4) GROUP BY l.order_number) l ON l.order_number = o.number
		LEFT JOIN (SELECT source, sum(quantity) AS cards FROM file_slices WHERE kind IN (1, 2, 5) GROUP BY source) s ON s.source = o.number
		WHERE o.purged_at IS NULL AND coalesce(l.cards, 0) <> coalesce(s.cards, 0) + o.cancelled
		UNION ALL SELECT 'order', a.source, 'unit ' || b.first_unit || ' stands in the files ' || a.file_number || ' and ' || b.file_number
		FROM file_slices a JOIN file_slices b ON b.source = a.source AND b.first_unit >= a.first_unit AND b.first_unit < a.first_unit + a.quantity
			AND (b.file_number <> a.file_number OR b.first_line <> a.first_line) WHERE a.kind IN (1, 2, 5) AND b.kind IN (1, 2, 5)`},
	{"order.answered", "An order that was answered has its acceptance and its end on record.", `
		SELECT 'order' AS object, o.number, 'is ' || ` + orderStateNamed + ` || ' and no event says so' AS detail FROM orders o WHERE o.state <> ORDER_RECEIVED AND o.purged_at IS NULL
			AND (NOT EXISTS (SELECT 1 FROM events e WHERE e.object_kind = 'order' AND e.object_number = o.number AND e.kind = 'accepted')
			OR (o.state IN (ORDER_FULFILLED, ORDER_PARTLY_FULFILLED) AND NOT EXISTS (SELECT 1 FROM events e WHERE e.object_kind = 'order' AND e.object_number = o.number AND e.kind = ` + orderStateNamed + `)))`},
}

var returnInvariants = []Invariant{
	{"return.lines", "The lines of a return file are its cursor: applied, duplicate, rejected and quarantined, each on record.", `
		SELECT 'return' AS object, r.number, 'cursor ' || r.cursor_line || ' of ' || r.lines || ', ' || count(l.line) || ' lines on record up to ' || coalesce(max(l.line), 0) AS detail
		FROM return_files r LEFT JOIN return_lines l ON l.return_number = r.number WHERE r.purged_at IS NULL GROUP BY r.number, r.cursor_line, r.lines, r.applied, r.duplicates, r.rejected, r.quarantined, r.state
		HAVING count(l.line) <> r.cursor_line OR coalesce(max(l.line), 0) <> r.cursor_line OR r.cursor_line > r.lines
			OR coalesce(sum(CASE WHEN l.outcome = 1 THEN 1 ELSE 0 END), 0) <> r.applied OR coalesce(sum(CASE WHEN l.outcome = 2 THEN 1 ELSE 0 END), 0) <> r.duplicates
			OR coalesce(sum(CASE WHEN l.outcome = 3 THEN 1 ELSE 0 END), 0) <> r.rejected OR coalesce(sum(CASE WHEN l.outcome = 4 THEN 1 ELSE 0 END), 0) <> r.quarantined
			OR (r.state IN (RETURN_APPLIED, RETURN_PARTLY_APPLIED) AND r.cursor_line <> r.lines)
			OR (r.state IN (RETURN_DETECTED, RETURN_STABLE, RETURN_STORED, RETURN_QUARANTINED, RETURN_DUPLICATE) AND r.cursor_line <> 0)
			OR (r.state = RETURN_APPLIED AND r.rejected + r.quarantined > 0)
		UNION ALL SELECT 'return', l.return_number, 'line ' || l.line || ' belongs to no return file'
		FROM return_lines l LEFT JOIN return_files r ON r.number = l.return_number WHERE r.number IS NULL`},
	{"return.bytes", "A return file is stored whole before anything is read from it.", `
		SELECT 'return' AS object, r.number, 'has ' || r.size || ' bytes, stored are ' || coalesce(sum(c.bytes), 0) AS detail
		FROM return_files r LEFT JOIN return_chunks c ON c.return_number = r.number WHERE r.purged_at IS NULL GROUP BY r.number, r.size, r.state, r.sha256
		HAVING (r.state >= RETURN_STORED AND (r.sha256 IS NULL OR length(r.sha256) <> 32 OR coalesce(sum(c.bytes), 0) <> r.size)) OR (r.state < RETURN_STORED AND count(c.position) > 0)`},
	{"return.duplicates", "The same content of one bureau is applied once: a second file of it is a duplicate, and a duplicate has an original.", `
		SELECT 'return' AS object, r.number, 'is a duplicate of nothing' AS detail FROM return_files r WHERE r.state = RETURN_DUPLICATE
			AND NOT EXISTS (SELECT 1 FROM return_files o WHERE o.bureau_number = r.bureau_number AND o.sha256 = r.sha256 AND o.number <> r.number AND o.state <> RETURN_DUPLICATE)
		UNION ALL SELECT 'return', max(r.number), count(*) || ' files with detail lines and the same content were applied' FROM return_files r
		WHERE r.state IN (RETURN_APPLYING, RETURN_APPLIED, RETURN_PARTLY_APPLIED) AND r.lines > 0 GROUP BY r.bureau_number, r.sha256 HAVING count(*) > 1`},
	{"return.events", "An event tells of the state of every return file that was stored.", `
		SELECT 'return' AS object, r.number, 'is ' || ` + returnStateNamed + ` || ' and no event says so' AS detail FROM return_files r
		WHERE r.state BETWEEN RETURN_STORED AND RETURN_DUPLICATE AND r.purged_at IS NULL AND NOT EXISTS (SELECT 1 FROM events e WHERE e.object_kind = 'return' AND e.object_number = r.number AND e.kind = ` + returnStateNamed + `)`},
}
