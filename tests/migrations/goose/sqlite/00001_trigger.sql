-- +goose Up
CREATE TABLE log (at TEXT);
CREATE TRIGGER noted AFTER INSERT ON users BEGIN
    INSERT INTO log VALUES (datetime('now'));
    UPDATE users SET name = 'x;' WHERE id = NEW.id;
END;
-- +goose StatementBegin
CREATE TRIGGER other AFTER DELETE ON users BEGIN
    DELETE FROM log;
END
-- +goose StatementEnd
PRAGMA user_version = 1;

-- +goose Down
DROP TRIGGER other;
DROP TRIGGER noted;
DROP TABLE log;
