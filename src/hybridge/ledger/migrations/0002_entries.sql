-- One row a request, everything in one JSON object (see `LedgerEntry`); what has its default is left out of it.
-- The tables of before are views now, with the same columns. In them an integer beyond 64 bits is a float; in the
-- entry it is exact.

CREATE TABLE entries (
    id         TEXT    NOT NULL PRIMARY KEY,
    started_us INTEGER NOT NULL,
    entry      TEXT    NOT NULL
);

INSERT INTO entries (id, started_us, entry)
SELECT id, started_us, json_object(
    'id', id,
    'started_us', started_us,
    'operation', operation,
    'dialect', dialect,
    'model', model,
    'stream', json(CASE stream WHEN 0 THEN 'false' ELSE 'true' END),
    'key_id', key_id,
    'user', user,
    'session', session,
    'tags', json(tags),
    'budget', budget_amount || ' ' || budget_currency,
    'input_estimate', input_estimate,
    'currency', coalesce((SELECT currency FROM attempts WHERE request_id = id LIMIT 1), 'USD'),
    'rate', coalesce((SELECT rate FROM attempts WHERE request_id = id LIMIT 1), '1'),
    'rate_date', coalesce((SELECT rate_date FROM attempts WHERE request_id = id LIMIT 1), ''),
    'policy', policy,
    'variant', variant,
    'considered', json(considered),
    'attempts', json((
        SELECT json_group_array(json_object(
            'deployment', deployment,
            'provider', provider,
            'kind', kind,
            'key_id', key_id,
            'status', status,
            'error_class', error_class,
            'error', error,
            'started_us', started_us,
            'first_content_us', first_content_us,
            'ended_us', ended_us,
            'usage', json(CASE WHEN requests IS NOT NULL THEN json_object(
                'input', input,
                'cache_read', cache_read,
                'cache_write', cache_write,
                'cache_write_1h', cache_write_1h,
                'output', output,
                'reasoning', reasoning,
                'audio_input', audio_input,
                'audio_output', audio_output,
                'image', image,
                'requests', requests
            ) END),
            'price_id', price_id,
            'cost_nano_usd', cost_nano_usd,
            'cost_source', cost_source
        )) FROM (SELECT * FROM attempts WHERE request_id = requests.id ORDER BY number)
    )),
    'ended_us', ended_us,
    'status', status,
    'error_code', error_code
)
FROM requests ORDER BY started_us;

DROP TABLE attempts;
DROP TABLE requests;

CREATE INDEX entries_by_time ON entries (started_us);

CREATE VIEW requests AS
SELECT
    id,
    started_us,
    coalesce(json_extract(entry, '$.ended_us'), 0)     AS ended_us,
    json_extract(entry, '$.operation')                 AS operation,
    json_extract(entry, '$.dialect')                   AS dialect,
    json_extract(entry, '$.model')                     AS model,
    coalesce(json_extract(entry, '$.stream'), 0)       AS stream,
    coalesce(json_extract(entry, '$.key_id'), 'open')  AS key_id,
    json_extract(entry, '$.user')                      AS user,
    json_extract(entry, '$.session')                   AS session,
    coalesce(json_extract(entry, '$.tags'), '[]')      AS tags,
    coalesce(json_extract(entry, '$.policy'), '')      AS policy,
    json_extract(entry, '$.variant')                   AS variant,
    coalesce(json_extract(entry, '$.status'), 0)       AS status,
    coalesce(json_extract(entry, '$.error_code'), '')  AS error_code,
    substr(json_extract(entry, '$.budget'), 1, instr(json_extract(entry, '$.budget'), ' ') - 1) AS budget_amount,
    substr(json_extract(entry, '$.budget'), instr(json_extract(entry, '$.budget'), ' ') + 1)    AS budget_currency,
    json_extract(entry, '$.input_estimate')            AS input_estimate,
    (
        SELECT json_group_array(json_object(
            'deployment', json_extract(value, '$.deployment'),
            'reason', coalesce(json_extract(value, '$.reason'), ''),
            'scores', json(coalesce(json_extract(value, '$.scores'), '{}')),
            'estimate_nano_usd', json_extract(value, '$.estimate_nano_usd')
        )) FROM json_each(entry, '$.considered')
    )                                                  AS considered
FROM entries;

CREATE VIEW attempts AS
SELECT
    id                                                   AS request_id,
    key + 1                                              AS number,
    json_extract(value, '$.deployment')                  AS deployment,
    json_extract(value, '$.provider')                    AS provider,
    json_extract(value, '$.kind')                        AS kind,
    coalesce(json_extract(value, '$.key_id'), '')        AS key_id,
    coalesce(json_extract(value, '$.status'), 0)         AS status,
    coalesce(json_extract(value, '$.error_class'), '')   AS error_class,
    coalesce(json_extract(value, '$.error'), '')         AS error,
    coalesce(json_extract(value, '$.started_us'), 0)     AS started_us,
    coalesce(json_extract(value, '$.first_content_us'), 0) AS first_content_us,
    coalesce(json_extract(value, '$.ended_us'), 0)       AS ended_us,
    coalesce(json_extract(value, '$.usage.input'), zero)          AS input,
    coalesce(json_extract(value, '$.usage.cache_read'), zero)     AS cache_read,
    coalesce(json_extract(value, '$.usage.cache_write'), zero)    AS cache_write,
    coalesce(json_extract(value, '$.usage.cache_write_1h'), zero) AS cache_write_1h,
    coalesce(json_extract(value, '$.usage.output'), zero)         AS output,
    coalesce(json_extract(value, '$.usage.reasoning'), zero)      AS reasoning,
    coalesce(json_extract(value, '$.usage.audio_input'), zero)    AS audio_input,
    coalesce(json_extract(value, '$.usage.audio_output'), zero)   AS audio_output,
    coalesce(json_extract(value, '$.usage.image'), zero)          AS image,
    coalesce(json_extract(value, '$.usage.requests'), zero + 1)   AS requests,
    coalesce(json_extract(value, '$.price_id'), '')      AS price_id,
    json_extract(value, '$.cost_nano_usd')               AS cost_nano_usd,
    coalesce(json_extract(value, '$.cost_source'), '')   AS cost_source,
    coalesce(json_extract(entry, '$.currency'), 'USD')   AS currency,
    coalesce(json_extract(entry, '$.rate'), '1')         AS rate,
    coalesce(json_extract(entry, '$.rate_date'), '')     AS rate_date
FROM (
    -- Nothing in a bucket is 0 where there is a usage, and unknown where there is none.
    SELECT entries.id, entry, key, value, CASE json_type(value, '$.usage') WHEN 'object' THEN 0 END AS zero
    FROM entries, json_each(entry, '$.attempts')
);
