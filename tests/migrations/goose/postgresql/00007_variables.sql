-- +goose Up
SELECT '${NOT_READ}', '$HOME', $$ $1 $$;
-- +goose ENVSUB ON
CREATE SCHEMA ${SCHEMA}; -- and $SCHEMA again
-- ${IN_A_COMMENT} is not asked for
CREATE ROLE app PASSWORD '${PASSWORD}';
SELECT '${EMPTY:-default}', '${EMPTY-kept}', '${UNSET-word}', '${UNSET:-}', '\${SCHEMA}', $1, $$ $SCHEMA $$, $tag$ x $tag$;
SELECT '${LINES}';
SELECT 5;
-- +goose ENVSUB OFF
SELECT '${SCHEMA}';

-- +goose Down
-- +goose ENVSUB ON
DROP SCHEMA $SCHEMA;
