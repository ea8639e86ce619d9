-- +goose   up
/* a comment /* in a comment */ with a ; */ SELECT '
;
', "a;b";
SELECT 1; -- +goose Down
SELECT E'\';\n', $tag$ ; $$ ; $tag$;
--+goose down
SELECT 2;
   -- indented comments are only comments
-- the last line has no end