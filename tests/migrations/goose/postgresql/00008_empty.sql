-- +goose Up

-- nothing to do
-- +goose Down
