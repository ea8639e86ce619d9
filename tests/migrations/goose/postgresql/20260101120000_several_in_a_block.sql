-- +goose Up
-- +goose StatementBegin
CREATE TABLE a (id int);
CREATE TABLE b (id int);
-- +goose StatementEnd
