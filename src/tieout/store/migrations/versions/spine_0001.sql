-- The store of the spine. Every row is tied to its workspace; every policy calls
-- tieout_workspace(), which raises when none is set (no rows would look like an empty side).
-- Times are parameters: no now(), no sequences, no random() (a run must be repeatable from a seed).

CREATE FUNCTION tieout_workspace() RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text := current_setting('tieout.workspace', true);
BEGIN
    IF found IS NULL OR found = '' THEN
        RAISE EXCEPTION 'no workspace is set on this transaction';
    END IF;
    RETURN found;
END
$$;

CREATE TABLE workspace (
    id text PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE counter (
    workspace text NOT NULL REFERENCES workspace (id),
    kind text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (workspace, kind)
);

-- connections and their secrets ----------------------------------------------------------------

CREATE TABLE connection (
    workspace text NOT NULL REFERENCES workspace (id),
    name text NOT NULL,
    system text NOT NULL,
    side text NOT NULL,
    settings jsonb NOT NULL,
    company_id text,
    company jsonb,
    state text NOT NULL,
    detail text NOT NULL DEFAULT '',
    tested_at timestamptz,
    PRIMARY KEY (workspace, name)
);

CREATE TABLE secret (
    workspace text NOT NULL,
    connection text NOT NULL,
    name text NOT NULL,
    generation integer NOT NULL,
    sealed bytea NOT NULL,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, connection, name, generation)
);

CREATE TABLE secret_lease (
    workspace text NOT NULL,
    connection text NOT NULL,
    holder text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (workspace, connection)
);

-- configuration --------------------------------------------------------------------------------

CREATE TABLE config_version (
    workspace text NOT NULL REFERENCES workspace (id),
    bridge text NOT NULL,
    version integer NOT NULL,
    body text NOT NULL,
    tables jsonb NOT NULL,
    digest text NOT NULL,
    message text NOT NULL,
    published_by text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, bridge, version)
);

CREATE TABLE bridge (
    workspace text NOT NULL REFERENCES workspace (id),
    name text NOT NULL,
    version integer NOT NULL,
    lease_holder text,
    lease_process text NOT NULL DEFAULT '',
    lease_since timestamptz,
    lease_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, name),
    FOREIGN KEY (workspace, name, version)
        REFERENCES config_version (workspace, bridge, version)
);

-- reading --------------------------------------------------------------------------------------

CREATE TABLE cursor (
    workspace text NOT NULL,
    connection text NOT NULL,
    entity text NOT NULL,
    shape text NOT NULL,
    position bytea,
    resume bytea,
    revision bigint NOT NULL,
    read_at timestamptz NOT NULL,
    through_at timestamptz,
    swept_at timestamptz,
    PRIMARY KEY (workspace, connection, entity, shape)
);

CREATE TABLE mirror (
    workspace text NOT NULL,
    connection text NOT NULL,
    entity text NOT NULL,
    id text NOT NULL,
    version text NOT NULL DEFAULT '',
    shape text NOT NULL DEFAULT '',
    content_hash bytea NOT NULL,
    seen_at timestamptz NOT NULL,
    changed_at timestamptz,
    gone_at timestamptz,
    gone_certain boolean,
    merged_into text,
    customer_id text,
    parent_id text,
    kind text NOT NULL DEFAULT '',
    number text NOT NULL DEFAULT '',
    carried_key13 text,
    carried_key text,
    status text NOT NULL DEFAULT '',
    day date,
    due_day date,
    currency text NOT NULL DEFAULT '',
    net numeric,
    tax numeric,
    gross numeric,
    open_amount numeric,
    org_number text NOT NULL DEFAULT '',
    vat_number text NOT NULL DEFAULT '',
    email text NOT NULL DEFAULT '',
    name_folded text NOT NULL DEFAULT '',
    postcode text NOT NULL DEFAULT '',
    record jsonb NOT NULL,
    PRIMARY KEY (workspace, connection, entity, id)
);
CREATE INDEX mirror_number ON mirror (workspace, connection, entity, number);
CREATE INDEX mirror_customer ON mirror (workspace, connection, entity, customer_id);
CREATE INDEX mirror_parent ON mirror (workspace, connection, entity, parent_id);
CREATE INDEX mirror_key ON mirror (workspace, carried_key13) WHERE carried_key13 IS NOT NULL;
CREATE INDEX mirror_org ON mirror (workspace, connection, entity, org_number);
CREATE INDEX mirror_vat ON mirror (workspace, connection, entity, vat_number);
CREATE INDEX mirror_name ON mirror (workspace, connection, entity, name_folded);
CREATE INDEX mirror_day ON mirror (workspace, connection, entity, day);
CREATE INDEX mirror_gone ON mirror (workspace, connection, entity, gone_at)
    WHERE gone_at IS NOT NULL;

-- Append-only: what a document's amounts were, and when we saw them.
CREATE TABLE mirror_amount (
    workspace text NOT NULL,
    connection text NOT NULL,
    entity text NOT NULL,
    id text NOT NULL,
    seq integer NOT NULL,
    seen_at timestamptz NOT NULL,
    version text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    day date,
    currency text NOT NULL,
    net numeric,
    tax numeric,
    gross numeric,
    open_amount numeric,
    paid numeric,
    credited numeric,
    PRIMARY KEY (workspace, connection, entity, id, seq)
);

CREATE TABLE due (
    workspace text NOT NULL,
    lane text NOT NULL,
    source_id text NOT NULL,
    revision bigint NOT NULL,
    since timestamptz NOT NULL,
    not_before timestamptz,
    parked text,
    parked_on text,
    PRIMARY KEY (workspace, lane, source_id)
);
CREATE INDEX due_ready ON due (workspace, lane, since, source_id) WHERE parked IS NULL;
CREATE INDEX due_parked ON due (workspace, lane, parked_on) WHERE parked IS NOT NULL;

-- What became of every source that was decided: nothing ends silently.
CREATE TABLE outcome (
    workspace text NOT NULL,
    lane text NOT NULL,
    source_id text NOT NULL,
    part integer NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    key13 text,
    number text NOT NULL,
    title text NOT NULL,
    customer_id text NOT NULL,
    net numeric,
    currency text NOT NULL,
    predicted_net numeric,
    predicted_gross numeric,
    line_count integer NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, lane, source_id, part)
);
CREATE INDEX outcome_customer ON outcome (workspace, lane, customer_id);

-- writing --------------------------------------------------------------------------------------

CREATE TABLE slot (
    workspace text NOT NULL REFERENCES workspace (id),
    key13 text NOT NULL,
    crm_org text NOT NULL,
    source_id text NOT NULL,
    company text NOT NULL,
    kind text NOT NULL,
    part integer NOT NULL,
    connection text NOT NULL,
    bridge text NOT NULL,
    generation integer NOT NULL,
    alias_of text,
    verdict text,
    PRIMARY KEY (workspace, key13),
    UNIQUE (workspace, crm_org, source_id, company, kind, part)
);
CREATE INDEX slot_source ON slot (workspace, bridge, kind, source_id);
CREATE INDEX slot_alias ON slot (workspace, alias_of) WHERE alias_of IS NOT NULL;

CREATE TABLE operation (
    workspace text NOT NULL,
    id text NOT NULL,
    bridge text NOT NULL,
    lane text NOT NULL,
    connection text NOT NULL,
    key13 text NOT NULL,
    key text NOT NULL,
    source_id text NOT NULL,
    entity text NOT NULL,
    action text NOT NULL,
    generation integer NOT NULL,
    seq integer NOT NULL,
    state text NOT NULL,
    target_id text,
    depends_on text,
    payload_rev integer NOT NULL,
    want_digest text NOT NULL,
    config_version integer NOT NULL,
    plan bigint,
    run bigint,
    net numeric,
    currency text NOT NULL DEFAULT '',
    customer_id text,
    released_on date,
    not_before timestamptz,
    lease_owner text,
    lease_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    absence_no integer NOT NULL DEFAULT 0,
    first_sent_at timestamptz,
    looks integer NOT NULL DEFAULT 0,
    next_look_at timestamptz,
    first_absence_at timestamptz,
    first_hit_at timestamptz,
    repeats boolean NOT NULL DEFAULT false,
    found_by text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, key13, action, generation, seq),
    FOREIGN KEY (workspace, key13) REFERENCES slot (workspace, key13)
);
CREATE UNIQUE INDEX operation_one_open ON operation (workspace, key13)
    WHERE state IN ('started', 'unknown', 'confirming', 'doubt');
CREATE UNIQUE INDEX operation_one_waiting ON operation (workspace, key13)
    WHERE state IN ('ready', 'awaiting_approval');
CREATE INDEX operation_state ON operation (workspace, bridge, state, connection);
CREATE INDEX operation_lane ON operation (workspace, lane, source_id);
CREATE INDEX operation_released ON operation (workspace, lane, customer_id, released_on);

CREATE TABLE payload (
    workspace text NOT NULL,
    operation text NOT NULL,
    rev integer NOT NULL,
    change bytea NOT NULL,
    sha256 text NOT NULL,
    config_version integer NOT NULL,
    PRIMARY KEY (workspace, operation, rev),
    FOREIGN KEY (workspace, operation) REFERENCES operation (workspace, id)
);

CREATE TABLE send (
    workspace text NOT NULL,
    id text NOT NULL,
    connection text NOT NULL,
    wire_key text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    sha256 text NOT NULL,
    vendor_time timestamptz NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX send_wire ON send (workspace, connection, wire_key);

CREATE TABLE attempt (
    workspace text NOT NULL,
    operation text NOT NULL,
    no integer NOT NULL,
    send text NOT NULL,
    item integer NOT NULL,
    payload_rev integer NOT NULL,
    worker text NOT NULL,
    fence bigint NOT NULL,
    horizon timestamptz NOT NULL,
    witness jsonb NOT NULL,
    shows jsonb,
    predicted jsonb,
    result text NOT NULL,
    answer jsonb,
    started_at timestamptz NOT NULL,
    answered_at timestamptz,
    PRIMARY KEY (workspace, operation, no),
    FOREIGN KEY (workspace, operation) REFERENCES operation (workspace, id),
    FOREIGN KEY (workspace, send) REFERENCES send (workspace, id)
);
CREATE INDEX attempt_open ON attempt (workspace, operation) WHERE result = 'open';

CREATE TABLE ref (
    workspace text NOT NULL,
    connection text NOT NULL,
    entity text NOT NULL,
    id text NOT NULL,
    key13 text NOT NULL,
    generation integer NOT NULL,
    role text NOT NULL,
    found_by text NOT NULL,
    evidence text NOT NULL DEFAULT '',
    since timestamptz NOT NULL,
    PRIMARY KEY (workspace, connection, entity, id),
    FOREIGN KEY (workspace, key13) REFERENCES slot (workspace, key13)
);
CREATE UNIQUE INDEX ref_one_current ON ref (workspace, key13) WHERE role = 'current';
CREATE INDEX ref_slot ON ref (workspace, key13);

CREATE TABLE link (
    workspace text NOT NULL,
    key13 text NOT NULL,
    wanted jsonb,
    shown jsonb,
    shown_hash bytea,
    base_known boolean NOT NULL,
    predicted jsonb,
    config_version integer NOT NULL,
    revision bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, key13),
    FOREIGN KEY (workspace, key13) REFERENCES slot (workspace, key13)
);

-- people ---------------------------------------------------------------------------------------

CREATE TABLE exception_case (
    workspace text NOT NULL,
    number bigint NOT NULL,
    bridge text NOT NULL,
    lane text NOT NULL,
    source_id text NOT NULL,
    key13 text,
    code text NOT NULL,
    message text NOT NULL,
    hint text NOT NULL,
    severity text NOT NULL,
    candidates jsonb NOT NULL,
    details jsonb NOT NULL,
    amount numeric,
    currency text NOT NULL DEFAULT '',
    owner text NOT NULL DEFAULT '',
    tries integer NOT NULL,
    opened_at timestamptz NOT NULL,
    tried_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_by text,
    closed_reason text,
    PRIMARY KEY (workspace, number)
);
CREATE UNIQUE INDEX exception_one_open ON exception_case (workspace, lane, source_id, code)
    WHERE closed_at IS NULL;
CREATE INDEX exception_lane ON exception_case (workspace, lane, source_id)
    WHERE closed_at IS NULL;
CREATE INDEX exception_source ON exception_case (workspace, bridge, source_id);

CREATE TABLE verdict (
    workspace text NOT NULL,
    seq bigint NOT NULL,
    subject text NOT NULL,
    verdict text NOT NULL,
    refs jsonb NOT NULL,
    who text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (workspace, seq)
);
CREATE INDEX verdict_subject ON verdict (workspace, subject, seq);

CREATE TABLE approval (
    workspace text NOT NULL,
    digest text NOT NULL,
    key13 text NOT NULL,
    who text NOT NULL,
    at timestamptz NOT NULL,
    plan bigint,
    PRIMARY KEY (workspace, digest, key13)
);

-- runs, plans, evidence --------------------------------------------------------------------------

CREATE TABLE run (
    workspace text NOT NULL,
    number bigint NOT NULL,
    bridge text NOT NULL,
    who text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    state text NOT NULL,
    counts jsonb NOT NULL,
    PRIMARY KEY (workspace, number)
);
CREATE INDEX run_bridge ON run (workspace, bridge, number);

CREATE TABLE plan (
    workspace text NOT NULL,
    number bigint NOT NULL,
    bridge text NOT NULL,
    hash text NOT NULL,
    config_version integer NOT NULL,
    read_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    counts jsonb NOT NULL,
    PRIMARY KEY (workspace, number)
);

CREATE TABLE plan_change (
    workspace text NOT NULL,
    plan bigint NOT NULL,
    rank integer NOT NULL,
    entity text NOT NULL,
    lane text NOT NULL,
    source_id text NOT NULL,
    part integer NOT NULL,
    verdict text NOT NULL,
    digest text NOT NULL,
    expects jsonb NOT NULL,
    line jsonb NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (workspace, plan, rank, entity, lane, source_id, part),
    FOREIGN KEY (workspace, plan) REFERENCES plan (workspace, number)
);

CREATE TABLE activity (
    workspace text NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    entries bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (workspace, seq)
);

CREATE TABLE activity_head (
    workspace text PRIMARY KEY REFERENCES workspace (id),
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    started_at timestamptz NOT NULL
);

CREATE TABLE filed_report (
    workspace text NOT NULL,
    bridge text NOT NULL,
    month text NOT NULL,
    filed_at timestamptz NOT NULL,
    filed_by text NOT NULL,
    body bytea NOT NULL,
    sha256 text NOT NULL,
    PRIMARY KEY (workspace, bridge, month)
);

CREATE TABLE number_range (
    workspace text NOT NULL,
    connection text NOT NULL,
    entity text NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (workspace, connection, entity)
);

CREATE TABLE epoch (
    workspace text PRIMARY KEY REFERENCES workspace (id),
    epoch integer NOT NULL,
    high_water bigint NOT NULL,
    recovering_until timestamptz,
    reads_left integer NOT NULL DEFAULT 0
);
