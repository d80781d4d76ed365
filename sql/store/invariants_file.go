package store

// fileLines are the lines of all files, of cards and of PIN mailers.
const fileLines = `(SELECT file_number, line, state FROM issues WHERE file_number IS NOT NULL
	UNION ALL SELECT file_number, line, state FROM pin_mailers WHERE file_number IS NOT NULL)`

// made are the states of a file that was sealed and is not cancelled.
const made = `f.state BETWEEN FILE_SEALED AND FILE_PURGED`

// arrived are the states of a file that its bureau has.
const arrived = `f.state IN (FILE_SENT, FILE_ACKNOWLEDGED, FILE_REFUSED, FILE_RECONCILING, FILE_BALANCED, FILE_CLOSED, FILE_PURGED)`

var fileInvariants = []Invariant{
	{"file.slices", "The slices of a file cover its lines from the first to the last, without gap and without overlap.", `
		SELECT 'file' AS object, f.number, 'planned ' || f.planned || ' lines, its slices have ' || coalesce(sum(s.quantity), 0) || ' and end at line '
			|| coalesce(max(s.first_line + s.quantity - 1), 0) AS detail
		FROM files f LEFT JOIN file_slices s ON s.file_number = f.number GROUP BY f.number, f.planned
		HAVING coalesce(sum(s.quantity), 0) <> f.planned OR coalesce(max(s.first_line + s.quantity - 1), 0) <> f.planned OR coalesce(min(s.first_line), 1) <> 1
		UNION ALL SELECT 'file', a.file_number, 'the slices at lines ' || a.first_line || ' and ' || b.first_line || ' overlap'
		FROM file_slices a JOIN file_slices b ON b.file_number = a.file_number AND b.first_line > a.first_line AND b.first_line < a.first_line + a.quantity`},
	{"file.lines", "Every line up to a file's mint cursor carries one issue or PIN mailer, and no line stands beyond it that the plan did not attach.", `
		SELECT 'file' AS object, f.number, 'minted ' || f.minted || ' lines, ' || count(l.line) || ' of them exist' AS detail
		FROM files f LEFT JOIN ` + fileLines + ` l ON l.file_number = f.number AND l.line <= f.minted GROUP BY f.number, f.minted
		HAVING count(l.line) <> f.minted OR coalesce(min(l.line), 1) < 1
		UNION ALL SELECT 'file', l.file_number, 'line ' || l.line || ' stands beyond the mint cursor'
		FROM ` + fileLines + ` l LEFT JOIN files f ON f.number = l.file_number WHERE (f.number IS NULL OR l.line > f.minted)
			AND NOT EXISTS (SELECT 1 FROM file_slices s WHERE s.file_number = l.file_number AND s.kind IN (3, 5) AND l.line BETWEEN s.first_line AND s.first_line + s.quantity - 1)`},
	{"file.purpose", "A card file carries cards and a PIN-mailer file PIN mailers, never both.", `
		SELECT 'file' AS object, f.number, 'its purpose is ' || f.purpose || ', its lines are of the other kind' AS detail FROM files f
		WHERE (f.purpose = 1 AND EXISTS (SELECT 1 FROM pin_mailers m WHERE m.file_number = f.number))
			OR (f.purpose = 2 AND EXISTS (SELECT 1 FROM issues i WHERE i.file_number = f.number))`},
	{"file.sealed", "A sealed file has as many records as were planned and minted, and a hash of its plaintext and of what is sent.", `
		SELECT 'file' AS object, f.number, 'planned ' || f.planned || ', minted ' || f.minted || ', sealed ' || coalesce(CAST(f.sealed AS TEXT), 'nothing') AS detail
		FROM files f WHERE (` + made + ` OR f.sealed IS NOT NULL) AND (f.minted <> f.planned OR f.sealed IS NULL OR f.sealed <> f.planned OR f.sealed_at IS NULL
			OR f.plaintext_sha256 IS NULL OR length(f.plaintext_sha256) <> 32 OR f.ciphertext_sha256 IS NULL OR length(f.ciphertext_sha256) <> 32
			OR coalesce(f.plaintext_bytes, 0) <= 0 OR coalesce(f.ciphertext_bytes, 0) <= 0)`},
	{"file.counters", "What a file counts as produced, rejected and spoiled is what its lines say.", `
		SELECT 'file' AS object, f.number, 'counts ' || f.produced || ' produced, ' || f.rejected || ' rejected, ' || f.spoiled || ' spoiled; its lines say '
			|| coalesce(sum(CASE WHEN {fulfilled:l.state} THEN 1 ELSE 0 END), 0) || ', ' || coalesce(sum(CASE WHEN l.state = ISSUE_REJECTED THEN 1 ELSE 0 END), 0) || ', '
			|| coalesce(sum(CASE WHEN l.state = ISSUE_SPOILED THEN 1 ELSE 0 END), 0) AS detail
		FROM files f LEFT JOIN ` + fileLines + ` l ON l.file_number = f.number GROUP BY f.number, f.produced, f.rejected, f.spoiled
		HAVING coalesce(sum(CASE WHEN {fulfilled:l.state} THEN 1 ELSE 0 END), 0) <> f.produced OR coalesce(sum(CASE WHEN l.state = ISSUE_REJECTED THEN 1 ELSE 0 END), 0) <> f.rejected
			OR coalesce(sum(CASE WHEN l.state = ISSUE_SPOILED THEN 1 ELSE 0 END), 0) <> f.spoiled`},
	{"file.balanced", "A balanced file's columns are equal: planned, minted, sealed, read by the bureau, and the fates of its lines.", `
		SELECT 'file' AS object, f.number, 'planned ' || f.planned || ', read by the bureau ' || coalesce(CAST(f.ack_read AS TEXT), 'never') || ', with a fate '
			|| (f.produced + f.rejected + f.spoiled) AS detail
		FROM files f WHERE f.state IN (FILE_BALANCED, FILE_CLOSED, FILE_PURGED)
			AND (f.ack_read IS NULL OR f.ack_read <> f.planned OR f.produced + f.rejected + f.spoiled <> f.planned OR f.balanced_at IS NULL)`},
	{"file.events", "The newest event that names a state of a file names the one that it is in.", `
		SELECT 'file' AS object, f.number, 'is ' || ` + fileStateNamed + ` || ', its newest event says ' || coalesce(e.kind, 'nothing') AS detail
		FROM files f LEFT JOIN events e ON e.number = (SELECT max(number) FROM events WHERE object_kind = 'file' AND object_number = f.number
			AND kind IN ('BUILDING', 'SEALED', 'RELEASED', 'SENDING', 'SENT', 'IN_DOUBT', 'ACKNOWLEDGED', 'REFUSED', 'BALANCED', 'CLOSED', 'PURGED', 'CANCELLED', 'planned'))
		WHERE f.purged_at IS NULL AND coalesce(e.kind, '') <> CASE f.state WHEN FILE_PLANNED THEN 'planned' WHEN FILE_RECONCILING THEN 'ACKNOWLEDGED' ELSE ` + fileStateNamed + ` END`},
	{"file.sequences", "The files of a bureau are numbered without gap, unless an operator has moved the numbers on after a restore.", `
		SELECT 'bureau' AS object, f.bureau_number AS number, count(*) || ' files, the last is number ' || max(f.sequence) AS detail
		FROM files f GROUP BY f.bureau_number HAVING count(*) <> max(f.sequence) AND NOT EXISTS (SELECT 1 FROM audit_log WHERE action = 'file.advance')
		UNION ALL SELECT 'file', max(f.number), count(*) || ' files, the last is number ' || max(f.number) FROM files f
		HAVING count(*) <> max(f.number) AND NOT EXISTS (SELECT 1 FROM audit_log WHERE action = 'file.advance')
		UNION ALL SELECT 'file', max(f.number), 'the counter of files stands behind' FROM files f
		HAVING max(f.number) > (SELECT coalesce(max(value), 0) FROM counters WHERE name = 'file')`},
	{"batch.state", "A batch runs while a file of it has not left, and ends with the last one; who opened it is on record.", `
		SELECT 'batch' AS object, b.number, 'is ' || ` + batchStateNamed + ` || ' with ' || count(f.number) || ' files, of which '
			|| coalesce(sum(CASE WHEN f.state < FILE_SENT OR f.state = FILE_IN_DOUBT THEN 1 ELSE 0 END), 0) || ' have not left' AS detail
		FROM batches b LEFT JOIN files f ON f.batch_number = b.number GROUP BY b.number, b.state
		HAVING (b.state = BATCH_RUNNING) <> (coalesce(sum(CASE WHEN f.state < FILE_SENT OR f.state = FILE_IN_DOUBT THEN 1 ELSE 0 END), 0) > 0)
			OR (b.state IN (BATCH_OPEN, BATCH_PLANNED) AND count(f.number) > 0)
		UNION ALL SELECT 'batch', b.number, count(w.batch_number) || ' windows opened it' FROM batches b LEFT JOIN schedule_runs w ON w.batch_number = b.number
		GROUP BY b.number HAVING count(w.batch_number) <> 1`},
}

var deliveryInvariants = []Invariant{
	{"delivery.evidence", "A file counts as sent on evidence: a delivery on record, the bureau's answer after a doubt, or an operator's word.", `
		SELECT 'file' AS object, f.number, 'is ' || ` + fileStateNamed + ` || ' and nothing shows that it arrived' AS detail FROM files f WHERE ` + arrived + ` AND (f.sent_at IS NULL
			OR (f.purged_at IS NULL AND NOT EXISTS (SELECT 1 FROM events e WHERE e.object_kind = 'file' AND e.object_number = f.number AND e.kind = 'SENT'))
			OR NOT EXISTS (SELECT 1 FROM delivery_attempts a WHERE a.file_number = f.number AND a.copy = 0 AND a.state IN ('DELIVERED', 'IN_DOUBT')))`},
	{"delivery.once", "The machine delivers a file once: more deliveries than one have an operator's word between them.", `
		SELECT 'file' AS object, a.file_number AS number, count(*) || ' deliveries' AS detail FROM delivery_attempts a JOIN files f ON f.number = a.file_number
		WHERE a.copy = 0 AND a.state = 'DELIVERED' AND f.purged_at IS NULL GROUP BY a.file_number
		HAVING count(*) > 1 + (SELECT count(*) FROM events e WHERE e.object_kind = 'file' AND e.object_number = a.file_number AND e.kind = 'RELEASED' AND e.data LIKE '%"by":%')`},
	{"delivery.open", "A file that is being sent has an attempt that is open; one that is not has none.", `
		SELECT 'file' AS object, f.number, 'is ' || ` + fileStateNamed + ` || ' with ' || count(a.attempt) || ' open attempts' AS detail
		FROM files f LEFT JOIN delivery_attempts a ON a.file_number = f.number AND a.copy = 0 AND a.state IN ('STARTED', 'RENAMING') GROUP BY f.number, f.state
		HAVING (f.state = FILE_SENDING) <> (count(a.attempt) > 0)`},
	{"delivery.doubt", "A file is in doubt because of an attempt whose outcome cannot be known.", `
		SELECT 'file' AS object, f.number, 'is in doubt without such an attempt' AS detail FROM files f WHERE f.state = FILE_IN_DOUBT
			AND (f.reason = '' OR NOT EXISTS (SELECT 1 FROM delivery_attempts a WHERE a.file_number = f.number AND a.copy = 0 AND a.state = 'IN_DOUBT'))`},
	{"delivery.bytes", "What is delivered are the bytes that were sealed or spooled again.", `
		SELECT 'file' AS object, f.number, 'the last delivery is of other bytes' AS detail FROM files f JOIN delivery_attempts a ON a.file_number = f.number AND a.copy = 0
			AND a.attempt = (SELECT max(attempt) FROM delivery_attempts WHERE file_number = f.number AND copy = 0 AND state = 'DELIVERED')
		WHERE a.ciphertext_bytes <= 0 OR (f.ciphertext_sha256 <> a.ciphertext_sha256 AND NOT EXISTS
			(SELECT 1 FROM delivery_attempts later WHERE later.file_number = f.number AND later.attempt > a.attempt AND later.ciphertext_sha256 = f.ciphertext_sha256))`},
	{"delivery.acknowledged", "A file counts as acknowledged when a line of a return file said so.", `
		SELECT 'file' AS object, f.number, 'no line of a return file acknowledges it' AS detail FROM files f
		WHERE f.state IN (FILE_ACKNOWLEDGED, FILE_RECONCILING, FILE_BALANCED, FILE_CLOSED, FILE_PURGED) AND (f.acknowledged_at IS NULL OR f.ack_read IS NULL
			OR (f.purged_at IS NULL AND NOT EXISTS (SELECT 1 FROM return_lines l WHERE l.file_number = f.number AND l.file_line IS NULL AND l.outcome = 1)))`},
}
