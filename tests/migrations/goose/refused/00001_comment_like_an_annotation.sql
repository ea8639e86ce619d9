-- written for +goose by hand
-- +goose Up
SELECT 1;
