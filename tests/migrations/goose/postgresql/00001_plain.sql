-- What stands here is a comment.

-- +goose Up
CREATE TABLE post (
    id int NOT NULL,
    title text, -- with a semicolon; in a comment
    PRIMARY KEY(id)
);
-- between two statements
INSERT INTO post VALUES (1, 'a; b'); INSERT INTO post VALUES (2, 'it''s');

-- +goose Down
DROP TABLE post;
