-- then +goose Up
SELECT 1;
