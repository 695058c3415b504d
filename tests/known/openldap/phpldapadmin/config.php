<?php
$servers = new Datastore();
$servers->newServer('ldap_pla');
$servers->setValue('server', 'name', getenv('PHPLDAPADMIN_TITLE'));
$servers->setValue('server', 'host', getenv('PHPLDAPADMIN_LDAP_HOSTS'));
$servers->setValue('login', 'auth_type', 'session');
