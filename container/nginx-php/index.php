<?php echo "hello from php, uid ", posix_geteuid(), "\n";
