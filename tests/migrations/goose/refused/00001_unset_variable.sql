-- +goose Up
-- +goose ENVSUB ON
SELECT 1;
SELECT '${NOT_THERE}';
