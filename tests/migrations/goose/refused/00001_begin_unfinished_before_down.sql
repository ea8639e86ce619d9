-- +goose Up
-- +goose StatementBegin
SELECT 2;
-- +goose Down
SELECT 1;
