'use strict';
// Before Node 6 a string given to a hash was latin-1; the Hixie-76 code of that time puts the bytes of its MD5 into
// strings and relies on it. Required by whoever runs such code.

const crypto = require('crypto');

const { createHash } = crypto;
crypto.createHash = (...algorithm) => {
  const hash = createHash(...algorithm);
  const { update } = hash;
  hash.update = (data, encoding) => update.call(hash, data, typeof data === 'string' ? encoding || 'latin1' : undefined);
  return hash;
};
