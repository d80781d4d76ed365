-- +goose Up
-- +goose StatementBegin

-- Gap-free numbers: a row is taken with UPDATE ... RETURNING and rolls back with its transaction.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE institutions (
    id       TEXT PRIMARY KEY,
    code     TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    timezone TEXT NOT NULL
);

-- Products, bureaus, layouts and schedules as declared; every version is kept.
CREATE TABLE programs (
    number         BIGINT PRIMARY KEY,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    kind           TEXT NOT NULL CHECK (kind IN ('product', 'bureau', 'layout', 'schedule', 'mapping', 'zone', 'institution')),
    code           TEXT NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    UNIQUE (institution_id, kind, code)
);

CREATE TABLE program_versions (
    program_number BIGINT NOT NULL REFERENCES programs (number),
    version        INTEGER NOT NULL,
    body           TEXT NOT NULL,
    checksum       TEXT NOT NULL,
    applied_at     TIMESTAMP NOT NULL,
    PRIMARY KEY (program_number, version)
);

-- A range's keys are fixed for its life. held is why it may not mint; empty = it may.
CREATE TABLE pan_ranges (
    number          INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 8388607),
    institution_id  TEXT NOT NULL REFERENCES institutions (id),
    code            TEXT NOT NULL,
    prefix          TEXT NOT NULL,
    pan_length      INTEGER NOT NULL,
    first_body      BIGINT NOT NULL,
    size            BIGINT NOT NULL CHECK (size > 0),
    next_sequence   BIGINT NOT NULL DEFAULT 0 CHECK (next_sequence >= 0 AND next_sequence <= size),
    permutation_key TEXT NOT NULL,
    token_key       TEXT NOT NULL,
    held            TEXT NOT NULL DEFAULT '',
    imported        BOOLEAN NOT NULL DEFAULT FALSE,
    UNIQUE (institution_id, code)
);

-- Each block of sequences that was handed out, and to which file; 0 = to a card that was made when it was ordered.
CREATE TABLE pan_reservations (
    range_number   INTEGER NOT NULL REFERENCES pan_ranges (number),
    first_sequence BIGINT NOT NULL,
    quantity       BIGINT NOT NULL CHECK (quantity > 0),
    file_number    BIGINT NOT NULL,
    PRIMARY KEY (range_number, first_sequence)
);

CREATE INDEX pan_reservations_file ON pan_reservations (file_number);

-- A number begins with year and month, so that the lines of a month's orders follow each other. cancelled counts cards that were taken back before anything of them
-- was written into a file; held is why the order is paused; purged_at, also of files and return files, is when what they carried was purged. fulfilled, rejected, withdrawn and remade are its cards' fates when it last ended.
CREATE TABLE orders (
    number          BIGINT PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    institution_id  TEXT NOT NULL REFERENCES institutions (id),
    reference       TEXT NOT NULL,
    idempotency_key TEXT,
    kind            SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 9),
    state           SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 10),
    fingerprint     BLOB,
    intake_epoch    BIGINT NOT NULL DEFAULT 1,
    intake_lease    BIGINT NOT NULL DEFAULT 0,
    requested       BIGINT NOT NULL DEFAULT 0 CHECK (requested >= 0),
    refused_rows    BIGINT NOT NULL DEFAULT 0 CHECK (refused_rows >= 0),
    cancelled       BIGINT NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    held            TEXT NOT NULL DEFAULT '',
    fulfilled       BIGINT NOT NULL DEFAULT 0,
    rejected        BIGINT NOT NULL DEFAULT 0,
    withdrawn       BIGINT NOT NULL DEFAULT 0,
    remade          BIGINT NOT NULL DEFAULT 0,
    submitted_by    TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    purged_at       TIMESTAMP,
    UNIQUE (institution_id, reference),
    UNIQUE (institution_id, idempotency_key)
);

CREATE INDEX orders_list ON orders (institution_id, number);
CREATE INDEX orders_active ON orders (institution_id, number) WHERE state IN (5, 6, 7, 9);

-- A line is one row of what was submitted; unit is the number of its first card in the order, quantity how many it asks for. Its cards are made blocked where it has a
-- block code. not_before is the business date before which no cycle takes it; mailer_delay how many working days its PIN mailer follows its card file, 0 = by the product's rule.
-- One with pin_held_at waits for the PIN of its card, and no plan takes it; pin is a PIN that was set for the next issue of its card.
CREATE TABLE order_lines (
    order_number       BIGINT NOT NULL,
    unit               BIGINT NOT NULL,
    quantity           BIGINT NOT NULL CHECK (quantity > 0),
    source_line        BIGINT NOT NULL,
    state              SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 5),
    product_number     BIGINT NOT NULL,
    reason             SMALLINT NOT NULL CHECK (reason BETWEEN 1 AND 14),
    same_day           BOOLEAN NOT NULL DEFAULT FALSE,
    card_id            BIGINT,
    expiry             INTEGER NOT NULL DEFAULT 0,
    title              TEXT NOT NULL DEFAULT '',
    first_name         TEXT NOT NULL DEFAULT '',
    last_name          TEXT NOT NULL DEFAULT '',
    emboss_name        TEXT NOT NULL DEFAULT '',
    emboss_name2       TEXT NOT NULL DEFAULT '',
    print_name         TEXT NOT NULL DEFAULT '',
    given_name         TEXT NOT NULL DEFAULT '',
    customer_reference TEXT NOT NULL DEFAULT '',
    recipient          TEXT NOT NULL DEFAULT '',
    address1           TEXT NOT NULL DEFAULT '',
    address2           TEXT NOT NULL DEFAULT '',
    address3           TEXT NOT NULL DEFAULT '',
    city               TEXT NOT NULL DEFAULT '',
    region             TEXT NOT NULL DEFAULT '',
    postcode           TEXT NOT NULL DEFAULT '',
    country            TEXT NOT NULL DEFAULT '',
    delivery           TEXT NOT NULL DEFAULT '',
    branch             TEXT NOT NULL DEFAULT '',
    language           TEXT NOT NULL DEFAULT '',
    block_code         TEXT NOT NULL DEFAULT '',
    not_before         TEXT NOT NULL DEFAULT '',
    mailer_delay       SMALLINT NOT NULL DEFAULT 0,
    extra              TEXT NOT NULL DEFAULT '',
    pin_held_at        TIMESTAMP CHECK (pin_held_at IS NULL OR state = 1),
    pin                BLOB CHECK (pin IS NULL OR state < 3),
    PRIMARY KEY (order_number, unit)
);

CREATE INDEX order_lines_open ON order_lines (order_number, unit) WHERE state = 1;

CREATE INDEX order_lines_open_card ON order_lines (card_id) WHERE state < 3 AND card_id IS NOT NULL;

CREATE INDEX order_lines_pin_held ON order_lines (pin_held_at) WHERE pin_held_at IS NOT NULL;

-- Rows that were refused, as they came, until a correction takes them back in.
CREATE TABLE order_errors (
    order_number BIGINT NOT NULL REFERENCES orders (number),
    source_line  BIGINT NOT NULL,
    source_row   TEXT NOT NULL,
    faults       TEXT NOT NULL,
    corrected    BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (order_number, source_line)
);

-- What a client said with an order beside what is made of it, as JSON: kept for the dialect that it speaks, and purged with the order's lines.
CREATE TABLE order_notes (
    order_number BIGINT PRIMARY KEY REFERENCES orders (number),
    body         TEXT NOT NULL
);

CREATE TABLE order_corrections (
    order_number BIGINT NOT NULL REFERENCES orders (number),
    fingerprint  BLOB NOT NULL,
    accepted     BIGINT NOT NULL,
    refused      BIGINT NOT NULL,
    PRIMARY KEY (order_number, fingerprint)
);

-- A card is its identity: range number and sequence in one integer. No number, no hash, no token stands here.
CREATE TABLE cards (
    id             BIGINT PRIMARY KEY,
    product_number BIGINT NOT NULL,
    order_number   BIGINT NOT NULL,
    status         SMALLINT NOT NULL CHECK (status BETWEEN 1 AND 5),
    closed_for     SMALLINT NOT NULL DEFAULT 0,
    newest_issue   SMALLINT NOT NULL CHECK (newest_issue > 0),
    replaced_by    BIGINT
);

CREATE INDEX cards_replaced_by ON cards (replaced_by) WHERE replaced_by IS NOT NULL;

-- Who cards are for, and the accounts that they hang on, as their institution declares them. Every version is kept; body is its content as JSON.
CREATE TABLE customers (
    number         BIGINT PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    reference      TEXT NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    UNIQUE (institution_id, reference)
);

CREATE INDEX customers_list ON customers (institution_id, number);

CREATE TABLE customer_versions (
    customer_number BIGINT NOT NULL REFERENCES customers (number),
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL,
    recorded_by     TEXT NOT NULL,
    recorded_at     TIMESTAMP NOT NULL,
    PRIMARY KEY (customer_number, version)
);

CREATE TABLE accounts (
    number          BIGINT PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    institution_id  TEXT NOT NULL REFERENCES institutions (id),
    customer_number BIGINT NOT NULL REFERENCES customers (number),
    reference       TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version > 0),
    UNIQUE (institution_id, reference)
);

CREATE INDEX accounts_list ON accounts (institution_id, number);
CREATE INDEX accounts_customer ON accounts (customer_number, number);

CREATE TABLE account_versions (
    account_number BIGINT NOT NULL REFERENCES accounts (number),
    version        INTEGER NOT NULL,
    body           TEXT NOT NULL,
    recorded_by    TEXT NOT NULL,
    recorded_at    TIMESTAMP NOT NULL,
    PRIMARY KEY (account_number, version)
);

-- What hangs on an account: the card that an order of one row asks for, or a card that was anonymous and was linked. What takes a card's place hangs where that one does.
CREATE TABLE account_cards (
    account_number BIGINT NOT NULL REFERENCES accounts (number),
    position       BIGINT NOT NULL,
    order_number   BIGINT UNIQUE REFERENCES orders (number),
    card_id        BIGINT UNIQUE REFERENCES cards (id),
    PRIMARY KEY (account_number, position),
    CHECK ((order_number IS NULL) <> (card_id IS NULL))
);

-- Requests for cards in numbers, every version of each. carried_out is the version that the last cut-off carried out, or that has nothing to carry out.
CREATE TABLE mass_issues (
    number         BIGINT PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    reference      TEXT NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    carried_out    INTEGER NOT NULL DEFAULT 0 CHECK (carried_out <= version),
    UNIQUE (institution_id, reference)
);

CREATE INDEX mass_issues_list ON mass_issues (institution_id, number);
CREATE INDEX mass_issues_pending ON mass_issues (institution_id, number) WHERE carried_out < version;

CREATE TABLE mass_issue_versions (
    mass_issue_number BIGINT NOT NULL REFERENCES mass_issues (number),
    version           INTEGER NOT NULL,
    body              TEXT NOT NULL,
    recorded_by       TEXT NOT NULL,
    recorded_at       TIMESTAMP NOT NULL,
    PRIMARY KEY (mass_issue_number, version)
);

-- What a cut-off made of a version: an order of so many cards, or none, and why.
CREATE TABLE mass_issue_runs (
    mass_issue_number BIGINT NOT NULL REFERENCES mass_issues (number),
    version           INTEGER NOT NULL,
    business_date     TEXT NOT NULL CHECK (length(business_date) = 10),
    cards             BIGINT NOT NULL CHECK (cards >= 0),
    order_number      BIGINT UNIQUE REFERENCES orders (number),
    why_not           TEXT NOT NULL DEFAULT '',
    run_at            TIMESTAMP NOT NULL,
    PRIMARY KEY (mass_issue_number, version),
    CHECK ((order_number IS NULL) = (cards = 0))
);

-- state 0 = the issue is where its file is. pin is the security module's encrypted form, bound to the number it was made for.
CREATE TABLE issues (
    card_id      BIGINT NOT NULL,
    issue        SMALLINT NOT NULL,
    order_number BIGINT NOT NULL,
    order_unit   BIGINT NOT NULL,
    file_number  BIGINT,
    line         INTEGER,
    reason       SMALLINT NOT NULL CHECK (reason BETWEEN 1 AND 14),
    expiry       SMALLINT NOT NULL,
    psn          SMALLINT NOT NULL CHECK (psn BETWEEN 0 AND 99),
    state        SMALLINT NOT NULL CHECK (state BETWEEN 0 AND 15),
    use_state    SMALLINT NOT NULL CHECK (use_state BETWEEN 1 AND 4),
    pvv          SMALLINT,
    pin_offset   TEXT,
    pin          BLOB,
    PRIMARY KEY (card_id, issue),
    UNIQUE (file_number, line)
);

CREATE INDEX issues_waiting ON issues (card_id) WHERE file_number IS NULL;
CREATE INDEX issues_failed ON issues (file_number) WHERE state IN (10, 11);

-- PINs that holders chose, or that cards got which were made when they were ordered: that of an issue from then on, and of those that follow it; what was printed of the issue stays in its own row. Versions are
-- those of the product, and of the key that it names, by which the PIN is verified.
CREATE TABLE card_pins (
    card_id         BIGINT NOT NULL,
    issue           SMALLINT NOT NULL,
    product_version INTEGER NOT NULL,
    pvk_version     INTEGER NOT NULL,
    pvv             SMALLINT,
    pin_offset      TEXT,
    pin             BLOB,
    chosen_at       TIMESTAMP NOT NULL,
    PRIMARY KEY (card_id, issue),
    CHECK ((pvv IS NULL) <> (pin_offset IS NULL))
);

-- How the PIN of a card is tried: tries up to number forgiven count no longer. told = that no try is left has been told. A card without a row was never asked about.
CREATE TABLE pin_tries (
    card_id     BIGINT PRIMARY KEY,
    tried       BIGINT NOT NULL,
    forgiven    BIGINT NOT NULL,
    blocked     BOOLEAN NOT NULL,
    told        BOOLEAN NOT NULL,
    last_try_at TIMESTAMP,
    CHECK (forgiven BETWEEN 0 AND tried)
);

-- What lets a client look at or set one PIN once, for half a minute. Of its secret name there is the SHA-256.
CREATE TABLE pin_controls (
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    id_hash        BLOB NOT NULL,
    card_id        BIGINT NOT NULL,
    scope          TEXT NOT NULL CHECK (scope IN ('VIEW_PIN', 'SET_PIN')),
    zone           TEXT NOT NULL,
    reason         TEXT NOT NULL,
    expires_at     TIMESTAMP NOT NULL,
    used_at        TIMESTAMP,
    PRIMARY KEY (institution_id, id_hash)
);

-- attempt counts mailers of one issue: a spoiled one is followed by the next, which waits for a file like an issue does. One that was asked for by itself has a reason (13 reprint, 14 new
-- PIN), and the PIN that it tells; others tell their issue's.
CREATE TABLE pin_mailers (
    card_id     BIGINT NOT NULL,
    issue       SMALLINT NOT NULL,
    attempt     SMALLINT NOT NULL,
    file_number BIGINT,
    line        INTEGER,
    state       SMALLINT NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 15),
    reason      SMALLINT NOT NULL DEFAULT 0 CHECK (reason IN (0, 13, 14)),
    pin         BLOB,
    PRIMARY KEY (card_id, issue, attempt),
    UNIQUE (file_number, line)
);

CREATE INDEX pin_mailers_waiting ON pin_mailers (card_id) WHERE file_number IS NULL;
CREATE INDEX pin_mailers_failed ON pin_mailers (file_number) WHERE state IN (10, 11);

-- Plastics that their holders gave back, as the institution says: they are not outstanding any more.
CREATE TABLE returned_plastics (
    card_id     BIGINT NOT NULL REFERENCES cards (id),
    issue       SMALLINT NOT NULL,
    returned_at TIMESTAMP NOT NULL,
    PRIMARY KEY (card_id, issue)
);

-- Cards whose printed CVV2 is valid although their product has one that changes.
CREATE TABLE static_cvv2s (
    card_id BIGINT PRIMARY KEY REFERENCES cards (id)
);

-- Cards that are to be closed at a time; a row stands as long as its card lives.
CREATE TABLE scheduled_closings (
    card_id        BIGINT PRIMARY KEY,
    institution_id TEXT NOT NULL,
    closes_at      TIMESTAMP NOT NULL,
    closed_for     SMALLINT NOT NULL CHECK (closed_for BETWEEN 1 AND 15),
    asked_by       TEXT NOT NULL,
    why            TEXT NOT NULL
);

CREATE INDEX scheduled_closings_due ON scheduled_closings (closes_at);

-- A window is a schedule, a business date and a slot: whoever inserts the row runs it.
CREATE TABLE schedule_runs (
    schedule_number BIGINT NOT NULL REFERENCES programs (number),
    business_date   TEXT NOT NULL CHECK (length(business_date) = 10),
    slot            TEXT NOT NULL,
    batch_number    BIGINT NOT NULL,
    trigger_kind    TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    PRIMARY KEY (schedule_number, business_date, slot)
);

CREATE TABLE batches (
    number         BIGINT PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    schedule_code  TEXT NOT NULL,
    schedule_body  TEXT NOT NULL,
    business_date  TEXT NOT NULL,
    state          SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 6),
    exceptions     TEXT NOT NULL DEFAULT '',
    lease_until    BIGINT NOT NULL DEFAULT 0,
    created_at     TIMESTAMP NOT NULL
);

CREATE INDEX batches_list ON batches (institution_id, number);
CREATE INDEX batches_open ON batches (number) WHERE state = 1;
CREATE INDEX batches_at_work ON batches (institution_id) WHERE state < 4;

-- frozen = rendering has begun: its lines are what they are. held counts paused orders with lines in it. worker is the process whose claim is in force, empty
-- until it begins; rendered is how far it has come.
CREATE TABLE files (
    number            BIGINT PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    institution_id    TEXT NOT NULL REFERENCES institutions (id),
    batch_number      BIGINT NOT NULL REFERENCES batches (number),
    purpose           SMALLINT NOT NULL CHECK (purpose BETWEEN 1 AND 2),
    bureau_number     BIGINT NOT NULL,
    bureau_version    INTEGER NOT NULL,
    bureau_code       TEXT NOT NULL,
    product_number    BIGINT NOT NULL,
    product_version   INTEGER NOT NULL,
    layout_number     BIGINT NOT NULL,
    layout_version    INTEGER NOT NULL,
    branch            TEXT NOT NULL DEFAULT '', -- of every line, where the layout parts files by it; so are the next two
    delivery          TEXT NOT NULL DEFAULT '',
    country           TEXT NOT NULL DEFAULT '',
    keys              TEXT NOT NULL,
    sequence          BIGINT NOT NULL,
    name              TEXT NOT NULL,
    stamp             TEXT NOT NULL,
    business_date     TEXT NOT NULL,
    file_time         TEXT NOT NULL,
    state             SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 14),
    reason            TEXT NOT NULL DEFAULT '',
    epoch             BIGINT NOT NULL DEFAULT 0,
    lease_until       BIGINT NOT NULL DEFAULT 0,
    retry_after       BIGINT NOT NULL DEFAULT 0,
    failures          INTEGER NOT NULL DEFAULT 0,
    planned           BIGINT NOT NULL,
    minted            BIGINT NOT NULL DEFAULT 0 CHECK (minted <= planned),
    same_day          BOOLEAN NOT NULL DEFAULT FALSE,
    frozen            BOOLEAN NOT NULL DEFAULT FALSE,
    held              INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    worker            TEXT NOT NULL DEFAULT '',
    rendered          BIGINT NOT NULL DEFAULT 0,
    sealed            BIGINT,
    plaintext_sha256  BLOB,
    plaintext_bytes   BIGINT,
    ciphertext_sha256 BLOB,
    ciphertext_bytes  BIGINT,
    spool             TEXT NOT NULL DEFAULT '',
    ack_read          BIGINT,
    ack_ok            BIGINT,
    ack_bad           BIGINT,
    produced          BIGINT NOT NULL DEFAULT 0,
    rejected          BIGINT NOT NULL DEFAULT 0,
    spoiled           BIGINT NOT NULL DEFAULT 0,
    created_at        TIMESTAMP NOT NULL,
    sealed_at         TIMESTAMP,
    sent_at           TIMESTAMP,
    acknowledged_at   TIMESTAMP,
    balanced_at       TIMESTAMP,
    overdue           TEXT NOT NULL DEFAULT '',
    overdue_since     TIMESTAMP,
    purged_at         TIMESTAMP,
    UNIQUE (bureau_number, sequence),
    UNIQUE (bureau_number, name),
    CHECK (produced + rejected + spoiled <= planned)
);

CREATE INDEX files_at_work ON files (state) WHERE state < 11;
CREATE INDEX files_list ON files (institution_id, number);
CREATE INDEX files_batch ON files (batch_number);
CREATE INDEX files_created ON files (created_at);

-- Processes that carry jobs out. seen_at is microseconds of database time; slots is how many files one builds side by side, express how many more of them small or
-- same-day ones.
CREATE TABLE workers (
    name       TEXT PRIMARY KEY,
    slots      INTEGER NOT NULL,
    express    INTEGER NOT NULL,
    draining   BOOLEAN NOT NULL DEFAULT FALSE,
    started_at TIMESTAMP NOT NULL,
    seen_at    BIGINT NOT NULL
);

-- What needs a person, as long as it does: since when it is known, and who has taken it on. item names it as the inbox does.
CREATE TABLE inbox_items (
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    item           TEXT NOT NULL,
    seen_at        TIMESTAMP NOT NULL,
    owner          TEXT NOT NULL DEFAULT '',
    taken_at       TIMESTAMP,
    PRIMARY KEY (institution_id, item)
);

-- kind 1 new, 2 reissue, 3 attach, 4 mailer, 5 made at once. source is an order and unit, or for mailers a file and line. mailer_due is the business date
-- on which the PIN mailers of a card file's lines are planned that are held back.
CREATE TABLE file_slices (
    file_number    BIGINT NOT NULL REFERENCES files (number),
    first_line     BIGINT NOT NULL,
    kind           SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 5),
    source         BIGINT NOT NULL,
    first_unit     BIGINT NOT NULL,
    quantity       BIGINT NOT NULL CHECK (quantity > 0),
    range_number   INTEGER NOT NULL DEFAULT 0,
    first_sequence BIGINT NOT NULL DEFAULT 0,
    mailer_due     TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (file_number, first_line)
);

CREATE INDEX file_slices_source ON file_slices (source, first_unit);
CREATE INDEX file_slices_mailers ON file_slices (mailer_due) WHERE mailer_due <> '';

-- What goes along with a file: the layout of each sidecar by version, and its name at the bureau.
CREATE TABLE file_sidecars (
    file_number    BIGINT NOT NULL REFERENCES files (number),
    sidecar        INTEGER NOT NULL,
    layout_number  BIGINT NOT NULL,
    layout_version INTEGER NOT NULL,
    name           TEXT NOT NULL,
    PRIMARY KEY (file_number, sidecar)
);

-- The evidence of every try to send: written before the first byte, and again just before the rename. copy counts what a person sent again under a
-- duplicate marker; -1 is the file's first sidecar.
CREATE TABLE delivery_attempts (
    file_number       BIGINT NOT NULL REFERENCES files (number),
    attempt           INTEGER NOT NULL,
    epoch             BIGINT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('STARTED', 'RENAMING', 'DELIVERED', 'FAILED', 'IN_DOUBT')),
    copy              INTEGER NOT NULL DEFAULT 0,
    final_name        TEXT NOT NULL,
    temp_name         TEXT NOT NULL,
    ciphertext_sha256 BLOB NOT NULL,
    ciphertext_bytes  BIGINT NOT NULL,
    code              TEXT NOT NULL DEFAULT '',
    detail            TEXT NOT NULL DEFAULT '',
    started_at        TIMESTAMP NOT NULL,
    finished_at       TIMESTAMP,
    PRIMARY KEY (file_number, attempt)
);

-- How conversations with a bureau go. While the declaration is the one that failed, none begins before retry_after; no look into an outbox begins before
-- look_after. Both are microseconds of database time.
CREATE TABLE bureau_links (
    bureau_number  BIGINT PRIMARY KEY REFERENCES programs (number),
    bureau_version INTEGER NOT NULL,
    failures       INTEGER NOT NULL DEFAULT 0,
    code           TEXT NOT NULL DEFAULT '',
    detail         TEXT NOT NULL DEFAULT '',
    failing_since  TIMESTAMP,
    reached_at     TIMESTAMP,
    retry_after    BIGINT NOT NULL DEFAULT 0,
    look_after     BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE return_files (
    number         BIGINT PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    bureau_number  BIGINT NOT NULL,
    bureau_code    TEXT NOT NULL,
    name           TEXT NOT NULL,
    size           BIGINT NOT NULL,
    modified       BIGINT NOT NULL,
    state          SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 10),
    archived       BOOLEAN NOT NULL DEFAULT FALSE,
    sha256         BLOB,
    kind           TEXT NOT NULL DEFAULT '',
    layout_number  BIGINT NOT NULL DEFAULT 0,
    layout_version INTEGER NOT NULL DEFAULT 0,
    lines          BIGINT NOT NULL DEFAULT 0,
    cursor_line    BIGINT NOT NULL DEFAULT 0,
    applied        BIGINT NOT NULL DEFAULT 0,
    duplicates     BIGINT NOT NULL DEFAULT 0,
    rejected       BIGINT NOT NULL DEFAULT 0,
    quarantined    BIGINT NOT NULL DEFAULT 0,
    reason         TEXT NOT NULL DEFAULT '',
    epoch          BIGINT NOT NULL DEFAULT 0,
    lease_until    BIGINT NOT NULL DEFAULT 0,
    created_at     TIMESTAMP NOT NULL,
    settled        BOOLEAN NOT NULL DEFAULT FALSE, -- a person has decided about its refused lines
    pretended      BOOLEAN NOT NULL DEFAULT FALSE, -- made here, in a sandbox, not by the bureau
    purged_at      TIMESTAMP,
    CHECK (applied + duplicates + rejected + quarantined = cursor_line)
);

CREATE UNIQUE INDEX return_files_pending ON return_files (bureau_number, name) WHERE archived = FALSE;
CREATE INDEX return_files_list ON return_files (institution_id, number);
CREATE INDEX return_files_at_work ON return_files (state) WHERE state < 6;
CREATE INDEX return_files_content ON return_files (bureau_number, sha256);

-- The raw bytes of a return file, stored before anything is read from them. data is sealed; bytes is how many of the file it holds.
CREATE TABLE return_chunks (
    return_number BIGINT NOT NULL REFERENCES return_files (number),
    position      INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    data          BLOB NOT NULL,
    PRIMARY KEY (return_number, position)
);

-- recorded_at is when the return file was found. outcome 1 applied, 2 duplicate, 3 rejected, 4 quarantined.
CREATE TABLE return_lines (
    return_number BIGINT NOT NULL,
    line          BIGINT NOT NULL,
    file_number   BIGINT,
    file_line     INTEGER,
    last_line     INTEGER,
    shipment      TEXT NOT NULL DEFAULT '',
    status        TEXT NOT NULL,
    outcome       SMALLINT NOT NULL CHECK (outcome BETWEEN 1 AND 4),
    reason        TEXT NOT NULL DEFAULT '',
    bureau_reason TEXT NOT NULL DEFAULT '',
    figures       TEXT NOT NULL DEFAULT '',
    occurred_at   TIMESTAMP NOT NULL,
    recorded_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (return_number, line, recorded_at)
);

CREATE INDEX return_lines_file ON return_lines (file_number, file_line);
CREATE INDEX return_lines_run ON return_lines (file_number) WHERE last_line IS NOT NULL;
CREATE INDEX return_lines_shipment ON return_lines (shipment) WHERE shipment <> '';

-- What left a bureau together, and where its courier says it is. state is the last word of the courier, as an issue state.
CREATE TABLE shipments (
    bureau_number BIGINT NOT NULL REFERENCES programs (number),
    shipment      TEXT NOT NULL,
    tracking      TEXT NOT NULL DEFAULT '',
    carrier       TEXT NOT NULL DEFAULT '',
    service       TEXT NOT NULL DEFAULT '',
    origin        TEXT NOT NULL DEFAULT '',
    destination   TEXT NOT NULL DEFAULT '',
    boxes         INTEGER NOT NULL DEFAULT 0,
    state         SMALLINT NOT NULL CHECK (state BETWEEN 0 AND 15),
    dispatched_at TIMESTAMP NOT NULL,
    changed_at    TIMESTAMP NOT NULL,
    PRIMARY KEY (bureau_number, shipment)
);

CREATE INDEX shipments_tracking ON shipments (bureau_number, tracking) WHERE tracking <> '';

-- Runs of a file's lines that are in a shipment.
CREATE TABLE shipment_runs (
    bureau_number BIGINT NOT NULL,
    shipment      TEXT NOT NULL,
    file_number   BIGINT NOT NULL REFERENCES files (number),
    first_line    INTEGER NOT NULL,
    last_line     INTEGER NOT NULL CHECK (last_line >= first_line),
    box           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (file_number, first_line, bureau_number, shipment),
    FOREIGN KEY (bureau_number, shipment) REFERENCES shipments (bureau_number, shipment)
);

CREATE INDEX shipment_runs_shipment ON shipment_runs (bureau_number, shipment);

-- The newest stock report for each kind of plastic at each site of a bureau. difference is by how much it misses its own arithmetic, gap by how much it does
-- not begin where the report before it ended.
CREATE TABLE stock (
    bureau_number BIGINT NOT NULL REFERENCES programs (number),
    plastic       TEXT NOT NULL,
    site          TEXT NOT NULL,
    opening       BIGINT NOT NULL,
    closing       BIGINT NOT NULL,
    allocated     BIGINT NOT NULL,
    reorder_level BIGINT NOT NULL,
    difference    BIGINT NOT NULL,
    gap           BIGINT NOT NULL,
    reported_at   TIMESTAMP NOT NULL,
    return_number BIGINT NOT NULL REFERENCES return_files (number),
    PRIMARY KEY (bureau_number, plastic, site)
);

CREATE TABLE events (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    object_kind    TEXT NOT NULL,
    object_number  BIGINT NOT NULL,
    kind           TEXT NOT NULL,
    data           TEXT NOT NULL,
    recorded_at    TIMESTAMP NOT NULL
);

CREATE INDEX events_object ON events (object_kind, object_number, number);

-- method is how a client proves who it is: by a bearer key, of which the SHA-256 is kept; by a secret that both sides hold, sealed by the vault; or by a
-- key pair, of which the public half is kept. rate is in requests a second; 0 = the default.
CREATE TABLE api_clients (
    id             TEXT PRIMARY KEY,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    name           TEXT NOT NULL,
    roles          TEXT NOT NULL,
    method         TEXT NOT NULL CHECK (method IN ('bearer', 'secret', 'key-pair')),
    key_sha256     BLOB UNIQUE,
    secret         BLOB,
    public_key     BLOB,
    rate           INTEGER NOT NULL DEFAULT 0 CHECK (rate >= 0),
    created_at     TIMESTAMP NOT NULL,
    revoked_at     TIMESTAMP,
    UNIQUE (institution_id, name),
    CHECK ((method = 'bearer') = (key_sha256 IS NOT NULL) AND (method = 'secret') = (secret IS NOT NULL) AND (method = 'key-pair') = (public_key IS NOT NULL))
);

-- Ids of signed requests that were carried out, so that none is a second time.
CREATE TABLE api_requests (
    client_id  TEXT NOT NULL REFERENCES api_clients (id),
    request_id TEXT NOT NULL,
    seen_at    TIMESTAMP NOT NULL,
    PRIMARY KEY (client_id, request_id)
);

-- What requests with an idempotency key were answered with, where the answer is given again as it was. status 0 = it is being carried out, by whoever holds lease_until, which is
-- microseconds of database time.
CREATE TABLE idempotency_keys (
    client_id   TEXT NOT NULL REFERENCES api_clients (id),
    request_key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status      INTEGER NOT NULL DEFAULT 0,
    answer      BLOB,
    lease_until BIGINT NOT NULL,
    claimed_at  TIMESTAMP NOT NULL,
    PRIMARY KEY (client_id, request_key)
);

-- A subscriber to events. form is that of its messages, empty for Platen's own; secret is sealed by the vault. lease_until is microseconds of database time, retry_after of the
-- processes'; epoch is raised by each claim.
CREATE TABLE webhooks (
    id             TEXT PRIMARY KEY,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    url            TEXT NOT NULL,
    secret         BLOB NOT NULL,
    form           TEXT NOT NULL DEFAULT '',
    paused         BOOLEAN NOT NULL DEFAULT FALSE,
    removed_at     TIMESTAMP,
    created_at     TIMESTAMP NOT NULL,
    created_by     TEXT NOT NULL,
    epoch          BIGINT NOT NULL DEFAULT 0,
    lease_until    BIGINT NOT NULL DEFAULT 0,
    retry_after    BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX webhooks_institution ON webhooks (institution_id);

-- The kinds of objects whose events a subscriber wants.
CREATE TABLE webhook_objects (
    webhook_id  TEXT NOT NULL REFERENCES webhooks (id),
    object_kind TEXT NOT NULL,
    PRIMARY KEY (webhook_id, object_kind)
);

-- What each subscriber is told, written with the event itself and sent in the order of number. state: 1 due, 2 delivered, 3 dead.
CREATE TABLE webhook_outbox (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id    TEXT NOT NULL REFERENCES webhooks (id),
    object_kind   TEXT NOT NULL,
    object_number BIGINT NOT NULL,
    kind          TEXT NOT NULL,
    happened_at   TIMESTAMP NOT NULL,
    repeats       BIGINT,
    state         SMALLINT NOT NULL DEFAULT 1,
    attempts      INTEGER NOT NULL DEFAULT 0,
    failure       TEXT NOT NULL DEFAULT '',
    tried_at      TIMESTAMP
);

CREATE INDEX webhook_outbox_state ON webhook_outbox (webhook_id, state, number);

CREATE TABLE audit_log (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    object      TEXT NOT NULL,
    data        TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);

-- Who holds prepaid cards of a product, as handed in for an audit. state as in card/prepaid.go; document is the kind and number of what identifies a person; reason is why it was rejected.
-- Of one that is purged nothing is known any more.
CREATE TABLE holders (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    reference      TEXT NOT NULL,
    fingerprint    BLOB NOT NULL,
    product_number BIGINT NOT NULL REFERENCES programs (number),
    model          SMALLINT NOT NULL CHECK (model BETWEEN 1 AND 2),
    state          SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    email          TEXT NOT NULL,
    document       TEXT,
    body           TEXT NOT NULL,
    reason         TEXT NOT NULL DEFAULT '',
    created_at     TIMESTAMP NOT NULL,
    changed_at     TIMESTAMP NOT NULL,
    purged_at      TIMESTAMP,
    UNIQUE (institution_id, reference),
    UNIQUE (product_number, email),
    UNIQUE (product_number, document),
    CHECK ((state = 4) = (reason <> ''))
);

CREATE INDEX holders_list ON holders (institution_id, number);

-- Money that cards are loaded with, in minor units. kind 1 wallet, 2 margin, 3 a card's; of the house, and the other side of what all others hold: 4 outside, 5 fees. Only these
-- are ever in debt. A card's account is filled from source_number and empties into it; a withdrawal leaves retained; holder_number is who was audited for the card.
CREATE TABLE ledger_accounts (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    kind           SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 5),
    currency       TEXT NOT NULL,
    exponent       SMALLINT NOT NULL CHECK (exponent BETWEEN 0 AND 4),
    name           TEXT NOT NULL DEFAULT '',
    card_id        BIGINT UNIQUE,
    source_number  BIGINT,
    holder_number  BIGINT REFERENCES holders (number),
    retained       BIGINT NOT NULL DEFAULT 0 CHECK (retained >= 0),
    balance        BIGINT NOT NULL DEFAULT 0 CHECK (balance BETWEEN -1000000000000000000 AND 1000000000000000000),
    created_at     TIMESTAMP NOT NULL,
    UNIQUE (number, institution_id, currency),
    FOREIGN KEY (source_number, institution_id, currency) REFERENCES ledger_accounts (number, institution_id, currency),
    CHECK (kind > 3 OR balance >= 0),
    CHECK ((kind = 3) = (card_id IS NOT NULL) AND (kind = 3) = (source_number IS NOT NULL))
);

CREATE UNIQUE INDEX ledger_accounts_house ON ledger_accounts (institution_id, kind, currency) WHERE kind > 3;
CREATE INDEX ledger_accounts_list ON ledger_accounts (institution_id, number);
CREATE INDEX ledger_accounts_holder ON ledger_accounts (holder_number) WHERE holder_number IS NOT NULL;
CREATE INDEX ledger_accounts_source ON ledger_accounts (source_number) WHERE source_number IS NOT NULL;

-- What clients ask for with money, once for each reference. kind and state are those of card/operation.go; from_number and to_number are the accounts that amount moves between; fee is
-- the part of amount that does not arrive; card_account is that of the card that something is done to.
CREATE TABLE operations (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    reference      TEXT NOT NULL,
    kind           SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 20),
    state          SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    fingerprint    BLOB NOT NULL,
    from_number    BIGINT REFERENCES ledger_accounts (number),
    to_number      BIGINT REFERENCES ledger_accounts (number),
    card_account   BIGINT REFERENCES ledger_accounts (number),
    currency       TEXT NOT NULL DEFAULT '',
    exponent       SMALLINT NOT NULL DEFAULT 0,
    amount         BIGINT NOT NULL DEFAULT 0 CHECK (amount >= 0),
    fee            BIGINT NOT NULL DEFAULT 0 CHECK (fee BETWEEN 0 AND amount),
    failure        TEXT NOT NULL DEFAULT '',
    remark         TEXT NOT NULL DEFAULT '',
    requested_by   TEXT NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    ended_at       TIMESTAMP,
    UNIQUE (institution_id, reference),
    CHECK ((state = 4) = (failure <> '') AND (state > 2) = (ended_at IS NOT NULL))
);

CREATE INDEX operations_list ON operations (institution_id, number);
CREATE INDEX operations_card ON operations (card_account, number) WHERE card_account IS NOT NULL;

-- Cards that were opened with their accounts. code activates one that waits for it, sealed by the vault; wrong counts the wrong ones that were given. note and attributes (JSON) are
-- what the institution says of the card.
CREATE TABLE prepaid_cards (
    account_number BIGINT PRIMARY KEY REFERENCES ledger_accounts (number),
    institution_id TEXT NOT NULL REFERENCES institutions (id),
    code           BLOB,
    wrong          SMALLINT NOT NULL DEFAULT 0 CHECK (wrong BETWEEN 0 AND 5),
    note           TEXT NOT NULL DEFAULT '',
    attributes     TEXT NOT NULL DEFAULT '{}'
);

CREATE INDEX prepaid_cards_list ON prepaid_cards (institution_id, account_number);

-- Each entry takes an amount from one account and gives it to another of the same institution and currency, so that nothing comes into being and nothing is lost. from_balance and
-- to_balance are what the two hold then.
CREATE TABLE ledger_entries (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_number BIGINT NOT NULL REFERENCES operations (number),
    part             SMALLINT NOT NULL CHECK (part > 0),
    institution_id   TEXT NOT NULL,
    currency         TEXT NOT NULL,
    from_number      BIGINT NOT NULL,
    to_number        BIGINT NOT NULL CHECK (to_number <> from_number),
    amount           BIGINT NOT NULL CHECK (amount > 0),
    from_balance     BIGINT NOT NULL,
    to_balance       BIGINT NOT NULL,
    recorded_at      TIMESTAMP NOT NULL,
    UNIQUE (operation_number, part),
    FOREIGN KEY (from_number, institution_id, currency) REFERENCES ledger_accounts (number, institution_id, currency),
    FOREIGN KEY (to_number, institution_id, currency) REFERENCES ledger_accounts (number, institution_id, currency)
);

CREATE INDEX ledger_entries_from ON ledger_entries (from_number, number);
CREATE INDEX ledger_entries_to ON ledger_entries (to_number, number);
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP TABLE ledger_entries;
DROP TABLE prepaid_cards;
DROP TABLE operations;
DROP TABLE ledger_accounts;
DROP TABLE holders;
DROP TABLE audit_log;
DROP TABLE webhook_outbox;
DROP TABLE webhook_objects;
DROP TABLE webhooks;
DROP TABLE idempotency_keys;
DROP TABLE api_requests;
DROP TABLE api_clients;
DROP TABLE events;
DROP TABLE stock;
DROP TABLE shipment_runs;
DROP TABLE shipments;
DROP TABLE return_lines;
DROP TABLE return_chunks;
DROP TABLE return_files;
DROP TABLE bureau_links;
DROP TABLE delivery_attempts;
DROP TABLE file_slices;
DROP TABLE inbox_items;
DROP TABLE workers;
DROP TABLE files;
DROP TABLE batches;
DROP TABLE schedule_runs;
DROP TABLE scheduled_closings;
DROP TABLE static_cvv2s;
DROP TABLE returned_plastics;
DROP TABLE pin_mailers;
DROP TABLE pin_controls;
DROP TABLE pin_tries;
DROP TABLE card_pins;
DROP TABLE issues;
DROP TABLE mass_issue_runs;
DROP TABLE mass_issue_versions;
DROP TABLE mass_issues;
DROP TABLE account_cards;
DROP TABLE account_versions;
DROP TABLE accounts;
DROP TABLE customer_versions;
DROP TABLE customers;
DROP TABLE cards;
DROP TABLE order_corrections;
DROP TABLE order_notes;
DROP TABLE order_errors;
DROP TABLE order_lines;
DROP TABLE orders;
DROP TABLE pan_reservations;
DROP TABLE pan_ranges;
DROP TABLE program_versions;
DROP TABLE programs;
DROP TABLE institutions;
DROP TABLE counters;
-- +goose StatementEnd
