-- +goose Up
DELETE FROM post;
