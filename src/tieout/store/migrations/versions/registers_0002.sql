-- What public registers said of VAT numbers: each yes or no for good, and who is silent now.

CREATE TABLE register_answer (
    workspace text NOT NULL REFERENCES workspace (id),
    register text NOT NULL,
    number text NOT NULL,
    asked_at timestamptz NOT NULL,
    said text NOT NULL,
    consultation text,
    name text,
    PRIMARY KEY (workspace, register, number, asked_at)
);

-- scope: '' for the whole register, a member state's letters, or a number.
CREATE TABLE register_silence (
    workspace text NOT NULL REFERENCES workspace (id),
    register text NOT NULL,
    scope text NOT NULL,
    since timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    tries integer NOT NULL,
    fault text NOT NULL,
    PRIMARY KEY (workspace, register, scope)
);
