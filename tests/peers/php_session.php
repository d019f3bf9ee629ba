<?php
// A page of a shop as far as its session goes, for the tests of polysock-web:
//
//   php php_session.php KIND TARGET SERIALIZER STEP ID
//
// KIND is php:files, php:redis or php:memcached (what comes with PHP), or symfony:files, symfony:redis,
// symfony:memcached or symfony:pdo. TARGET is a save_path; for symfony:redis the path of a socket, for symfony:memcached
// HOST:PORT, for symfony:pdo a DSN. SERIALIZER is php, php_binary or php_serialize. STEP is "visit", by which the session
// begins, or "login". It prints the id of the session, which Symfony chooses itself at a visit, and PASS.

error_reporting(E_ALL & ~E_DEPRECATED);
[, $kind, $target, $serializer, $step, $id] = $argv;
ini_set('session.serialize_handler', $serializer);
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
// All digits of a float, as PHP wrote them before 7.1.
ini_set('serialize_precision', '17');

class Account
{
    public string $name = 'Zoë';
    protected int $level = 3;
    private array $marks = [true, null];
}

enum Suit: string
{
    case Hearts = 'H';
}

class Legacy implements Serializable
{
    public function serialize() { return 'opaque'; }
    public function unserialize($data) {}
}

function fill(string $step): void
{
    $_SESSION['cart'] = ['apples' => 3, 7 => 'seven'];
    if ($step === 'login') {
        $_SESSION['user_id'] = 42;
        $_SESSION['name'] = "Zoë|\"x\"; ";
        $_SESSION['price'] = 0.1;
        $_SESSION['debt'] = -7;
        $_SESSION['list'] = [1, 'b', [], false, null];
        $_SESSION['endless'] = INF;
        $_SESSION['bytes'] = "\0\xff";
        $_SESSION['account'] = new Account;
        $_SESSION['suit'] = Suit::Hearts;
        $_SESSION['alias'] = &$_SESSION['user_id'];
        $_SESSION['again'] = $_SESSION['account'];
        $loop = new stdClass;
        $loop->self = $loop;
        $_SESSION['loop'] = $loop;
        $_SESSION['since'] = new DateTime('2020-01-02T03:04:05Z');
        $_SESSION['same_list'] = &$_SESSION['list'];
        $_SESSION['legacy'] = new Legacy;
    }
}

[$whose, $store] = explode(':', $kind);
if ($whose === 'php') {
    ini_set('session.save_handler', $store);
    ini_set('session.save_path', $target);
    session_id($id);
    session_start() || exit("FAIL: no session\n");
    fill($step);
    session_write_close() || exit("FAIL: not written\n");
} else {
    require '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';
    $handlers = 'Symfony\Component\HttpFoundation\Session\Storage\Handler\\';
    if ($store === 'redis') {
        $client = new Redis;
        $client->connect($target);
    } elseif ($store === 'memcached') {
        $client = new Memcached;
        [$host, $port] = explode(':', $target);
        $client->addServer($host, (int) $port);
    }
    $handler = match ($store) {
        'files' => new ($handlers . 'NativeFileSessionHandler')($target),
        'redis' => new ($handlers . 'RedisSessionHandler')($client),
        'memcached' => new ($handlers . 'MemcachedSessionHandler')($client),
        'pdo' => new ($handlers . 'PdoSessionHandler')($target),
    };
    if ($store === 'pdo' && $step === 'visit') {
        $handler->createTable();
    }
    $storage = new Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage([], $handler);
    $session = new Symfony\Component\HttpFoundation\Session\Session($storage);
    if ($step === 'login') {
        $session->setId($id);
    }
    $session->start();
    $session->set('cart', ['apples' => 3, 7 => 'seven']);
    if ($step === 'login') {
        $session->set('user_id', 42);
        $session->set('roles', ['ROLE_USER']);
        $session->set('shop.open', true);
        $session->getFlashBag()->add('notice', 'hello');
    }
    $session->save();
    $id = $session->getId();
}
echo "ID $id\nPASS $kind $serializer $step\n";
