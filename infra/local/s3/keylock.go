package s3

import "sync"

// keyLocks keeps deletes and conditional writes of a key apart from every other
// write of the same key, which the store does not: its delete turns a version
// that is published meanwhile into the delete marker, and its conditions take a
// delete marker for an object. Plain writes do not wait for each other.
type keyLocks struct {
	mu    sync.Mutex
	locks map[string]*keyLock
}

type keyLock struct {
	sync.RWMutex
	users int
}

func (k *keyLocks) get(bucket, key string) (*keyLock, func()) {
	name := bucket + "/" + key
	k.mu.Lock()
	defer k.mu.Unlock()
	lock, ok := k.locks[name]
	if !ok {
		lock = &keyLock{}
		k.locks[name] = lock
	}
	lock.users++
	return lock, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(k.locks, name)
		}
	}
}

// hold waits for the key; alone keeps everybody else out. The caller calls done
// after its operation.
func (k *keyLocks) hold(bucket, key string, alone bool) (done func()) {
	lock, release := k.get(bucket, key)
	if alone {
		lock.Lock()
		return func() { lock.Unlock(); release() }
	}
	lock.RLock()
	return func() { lock.RUnlock(); release() }
}
