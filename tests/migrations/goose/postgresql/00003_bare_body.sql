-- +goose Up
CREATE FUNCTION one() RETURNS trigger AS $body$
BEGIN
    NEW.touched := now();
    RETURN NEW;
END;
$body$ LANGUAGE plpgsql;
CREATE FUNCTION two() RETURNS int BEGIN ATOMIC; SELECT 1; END;
DO 'BEGIN PERFORM 1; END';
