<?php
$config = [];
$config['db_dsnw'] = 'pgsql://roundcube:' . getenv('ROUNDCUBEMAIL_DB_PASSWORD') . '@' . getenv('ROUNDCUBEMAIL_DB_HOST') . '/roundcube';
$config['imap_host'] = getenv('ROUNDCUBEMAIL_DEFAULT_HOST') . ':143';
$config['smtp_host'] = 'localhost:25';
$config['product_name'] = getenv('ROUNDCUBEMAIL_PRODUCT_NAME');
$config['des_key'] = substr(getenv('ROUNDCUBEMAIL_DES_KEY'), 0, 24);
$config['log_driver'] = 'stdout';
$config['plugins'] = [];
$config['skin'] = 'elastic';
$config['drafts_mbox'] = 'Drafts';
