<?php
$wgSitename = getenv('MEDIAWIKI_SITE_NAME');
$wgScriptPath = '';
$wgServer = 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost');
$wgResourceBasePath = $wgScriptPath;
$wgDBtype = 'mysql';
$wgDBserver = 'database';
$wgDBname = 'my_wiki';
$wgDBuser = 'wikiuser';
$wgDBpassword = getenv('MEDIAWIKI_DB_PASSWORD');
$wgSecretKey = getenv('MEDIAWIKI_SECRET_KEY');
$wgMainCacheType = CACHE_NONE;
$wgEnableUploads = true;
wfLoadSkin('Vector');
