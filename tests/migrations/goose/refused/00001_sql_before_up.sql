-- a comment
/* another */
-- +goose Up
SELECT 1;
