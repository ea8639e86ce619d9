-- +goose Up
CREATE TABLE `a;b` (id INT) COMMENT 'it\'s; here'; # a comment; of this kind
/*!40101 SET @was = @@character_set_client */;
INSERT INTO `a;b` VALUES (1); -- and; this
-- +goose StatementBegin
CREATE DEFINER=`root`@`localhost` PROCEDURE twice(n INT)
BEGIN
    IF n > 0 THEN
        SELECT n; -- one
        SELECT n; # two
    END IF;
END;
-- +goose StatementEnd
-- +goose StatementBegin
BEGIN NOT ATOMIC
    DECLARE n INT;
    SET n = 1;
END
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TABLE event_log (event TEXT);
INSERT INTO event_log VALUES ('function;');
-- +goose StatementEnd

-- +goose Down
DELIMITER $$
DROP PROCEDURE twice$$
CREATE PROCEDURE again() BEGIN SELECT 1; SELECT "2;"; END$$
DELIMITER ;
DROP TABLE `a;b`;
