-- +goose Up
-- +goose ENVSUB ON
SELECT '${NOT_THERE:?say which region}';
