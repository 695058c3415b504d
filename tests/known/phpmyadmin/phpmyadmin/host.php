<?php
$cfg['Servers'][1]['auth_type'] = 'cookie';
$cfg['Servers'][1]['host'] = getenv('PMA_HOST');
$cfg['blowfish_secret'] = random_secret();

// Cookies of a container hold as long as it does.
function random_secret() {
  $file = '/var/lib/phpmyadmin/tmp/secret';
  if (!is_file($file)) {
    file_put_contents($file, random_bytes(32), LOCK_EX);
  }
  return file_get_contents($file);
}
