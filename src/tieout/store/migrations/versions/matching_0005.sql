-- How far the matching of one bridge with one company's books has come. `mark` tells one state of
-- the mirror from another: a run that was killed goes on where it is unchanged.
CREATE TABLE match_run (
    workspace text NOT NULL REFERENCES workspace (id),
    bridge text NOT NULL,
    books text NOT NULL,
    stage text NOT NULL,
    position text NOT NULL,
    mark text NOT NULL,
    who text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (workspace, bridge, books)
);

-- Customers of the books as matching sees them, and the keys under which they are looked up.
CREATE TABLE match_party (
    workspace text NOT NULL,
    bridge text NOT NULL,
    books text NOT NULL,
    id text NOT NULL,
    party text NOT NULL,
    PRIMARY KEY (workspace, bridge, books, id)
);

CREATE TABLE match_key (
    workspace text NOT NULL,
    bridge text NOT NULL,
    books text NOT NULL,
    key text NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (workspace, bridge, books, key, id)
);

-- What could belong together: a customer of the CRM with one of the books, a billing step with a
-- document. `part` is the step's number, `key13` its place.
CREATE TABLE match_pair (
    workspace text NOT NULL,
    bridge text NOT NULL,
    books text NOT NULL,
    entity text NOT NULL,
    source_id text NOT NULL,
    part integer NOT NULL,
    target_id text NOT NULL,
    key13 text NOT NULL,
    key text NOT NULL,
    tier integer NOT NULL,
    score integer NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (workspace, bridge, books, entity, source_id, part, target_id)
);
CREATE INDEX match_pair_target ON match_pair (workspace, bridge, books, entity, target_id);
