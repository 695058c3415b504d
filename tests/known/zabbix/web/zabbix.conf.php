<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = getenv('DB_SERVER_HOST');
$DB['PORT'] = '0';
$DB['DATABASE'] = getenv('POSTGRES_DB');
$DB['USER'] = getenv('POSTGRES_USER');
$DB['PASSWORD'] = trim(file_get_contents('/run/secrets/postgres_password'));
$DB['SCHEMA'] = '';
$DB['ENCRYPTION'] = false;
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER = getenv('ZBX_SERVER_HOST');
$ZBX_SERVER_PORT = '10051';
$ZBX_SERVER_NAME = getenv('ZBX_SERVER_NAME');
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
