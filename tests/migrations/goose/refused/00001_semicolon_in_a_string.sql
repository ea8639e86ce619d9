-- +goose Up
SELECT 1;
INSERT INTO t VALUES ('x;
