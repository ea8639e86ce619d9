-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION add(a int, b int) RETURNS int AS $$
BEGIN
    -- a comment; in the body
    RETURN a + b;
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- +goose StatementBegin
SELECT add(1, 2)
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DROP FUNCTION add(int, int);
-- +goose StatementEnd
