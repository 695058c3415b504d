<?php
$db = new PDO('mysql:host=' . getenv('DB_HOST') . ';dbname=' . getenv('DB_NAME'), getenv('DB_USER'), getenv('DB_PASSWORD'));
$db->exec('CREATE TABLE IF NOT EXISTS notes (text VARCHAR(200) NOT NULL)');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
  $db->prepare('INSERT INTO notes VALUES (?)')->execute([$_POST['text']]);
  file_put_contents('/var/www/uploads/last.txt', $_POST['text']);
}
header('Content-Type: application/json');
echo json_encode([
  'motto' => getenv('MOTTO'),
  'notes' => $db->query('SELECT text FROM notes')->fetchAll(PDO::FETCH_COLUMN),
  'file' => is_file('/var/www/uploads/last.txt') ? file_get_contents('/var/www/uploads/last.txt') : null,
]);
