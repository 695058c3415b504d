<?php
// Makes the tables at the first start.
$address = 'pgsql:dbname=roundcube;host=' . getenv('ROUNDCUBEMAIL_DB_HOST');
for ($attempt = 1;; $attempt++) {
  try {
    $db = new PDO($address, 'roundcube', getenv('ROUNDCUBEMAIL_DB_PASSWORD'));
    break;
  } catch (PDOException $error) {
    if ($attempt === 30) throw $error;
    sleep(1);
  }
}
if ($db->query("SELECT to_regclass('session')")->fetchColumn() === null) {
  $db->beginTransaction();
  $db->exec(file_get_contents('/usr/share/roundcube/SQL/postgres.initial.sql'));
  $db->commit();
}
