package envelope

import (
	"strconv"
)

const holderInfo = "blue/1/holder/" // + dialogue + "/" + version

// HolderProof returns what shows that a user was let in by somebody who held
// the dialogue's secret R: HMAC-SHA256(HKDF(R, "blue/1/holder/{dialogue}/{version}"),
// LP("blue/1/holder") ‖ LP(user)). It stands beside every wrap, so that a new
// version is not wrapped for whoever wrote a line into the table of keys.
// Errors as of DeriveKeys.
func HolderProof(r *Secret, user, dialogue string, version uint32) ([32]byte, error) {
	var proof [32]byte
	if err := checkVersion(dialogue, version); err != nil {
		return proof, err
	}
	k, err := r.Derive(holderInfo + dialogue + "/" + strconv.FormatUint(uint64(version), 10))
	if err != nil {
		return proof, err
	}
	defer k.Destroy()
	mac := newHMAC(k.key)
	mac.Write(appendLP(appendLP(nil, "blue/1/holder"), user))
	mac.Sum(proof[:0])
	return proof, nil
}
