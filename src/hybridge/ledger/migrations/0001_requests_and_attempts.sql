-- Times are UTC microseconds, money is nano-USD. An unpriced cost is NULL, never 0.

CREATE TABLE requests (
    id              TEXT    NOT NULL PRIMARY KEY,
    started_us      INTEGER NOT NULL,
    ended_us        INTEGER NOT NULL,
    operation       TEXT    NOT NULL,
    dialect         TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    stream          INTEGER NOT NULL,
    key_id          TEXT    NOT NULL,
    user            TEXT,
    session         TEXT,
    tags            TEXT    NOT NULL,
    policy          TEXT    NOT NULL,
    variant         TEXT,
    status          INTEGER NOT NULL,
    error_code      TEXT    NOT NULL,
    budget_amount   TEXT,
    budget_currency TEXT,
    input_estimate  INTEGER,
    considered      TEXT    NOT NULL
);

CREATE TABLE attempts (
    request_id       TEXT    NOT NULL,
    number           INTEGER NOT NULL,
    deployment       TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    key_id           TEXT    NOT NULL,
    status           INTEGER NOT NULL,
    error_class      TEXT    NOT NULL,
    error            TEXT    NOT NULL,
    started_us       INTEGER NOT NULL,
    first_content_us INTEGER NOT NULL,
    ended_us         INTEGER NOT NULL,
    input            INTEGER,
    cache_read       INTEGER,
    cache_write      INTEGER,
    cache_write_1h   INTEGER,
    output           INTEGER,
    reasoning        INTEGER,
    audio_input      INTEGER,
    audio_output     INTEGER,
    image            INTEGER,
    requests         INTEGER,
    price_id         TEXT    NOT NULL,
    cost_nano_usd    INTEGER,
    cost_source      TEXT    NOT NULL,
    currency         TEXT    NOT NULL,
    rate             TEXT    NOT NULL,
    rate_date        TEXT    NOT NULL,
    PRIMARY KEY (request_id, number)
) WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX requests_by_time ON requests (started_us);
CREATE INDEX requests_by_key ON requests (key_id, started_us);
CREATE INDEX attempts_by_deployment ON attempts (deployment, started_us);
