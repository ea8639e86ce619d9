-- +goose Up
SELECT 'one
two';

-- +goose Down
SELECT 3;
