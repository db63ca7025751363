package rpmhead

// Tags of the signature header. The numbers overlap those of the main header:
// a tag means nothing without the header it stands in.
const (
	SigRegion        int32 = 62   // HEADERSIGNATURES, the region of a signature header
	SigDSA           int32 = 267  // OpenPGP signature of the header: DSA, ECDSA, EdDSA
	SigRSA           int32 = 268  // OpenPGP signature of the header: RSA
	SigSHA1          int32 = 269  // hex digest of the header
	SigLongSize      int32 = 270  // size of header and payload, 64 bits
	SigLongArchive   int32 = 271  // size of the uncompressed payload, 64 bits
	SigSHA256        int32 = 273  // hex digest of the header
	SigFileSigs      int32 = 274  // IMA signatures of files, hex
	SigFileSigLength int32 = 275  // length of the longest of them in bytes
	SigOpenPGP       int32 = 278  // base64 OpenPGP signatures of the header, any number
	SigReserved      int32 = 999  // zeros kept for signatures, version 6 packages
	SigSize          int32 = 1000 // size of header and payload, 32 bits
	SigPGP           int32 = 1002 // OpenPGP signature of header and payload: RSA
	SigMD5           int32 = 1004 // digest of header and payload
	SigGPG           int32 = 1005 // OpenPGP signature of header and payload: DSA, ECDSA, EdDSA
	SigPayloadSize   int32 = 1007 // size of the uncompressed payload, 32 bits
	SigReservedSpace int32 = 1008 // zeros kept for signatures, version 4 packages
)

// Tags of the main header.
const (
	TagRegion            int32 = 63 // HEADERIMMUTABLE, the region of a main header
	TagI18NTable         int32 = 100
	TagName              int32 = 1000
	TagVersion           int32 = 1001
	TagRelease           int32 = 1002
	TagEpoch             int32 = 1003
	TagSummary           int32 = 1004
	TagDescription       int32 = 1005
	TagBuildTime         int32 = 1006
	TagBuildHost         int32 = 1007
	TagSize              int32 = 1009
	TagDistribution      int32 = 1010
	TagVendor            int32 = 1011
	TagLicense           int32 = 1014
	TagPackager          int32 = 1015
	TagGroup             int32 = 1016
	TagURL               int32 = 1020
	TagOS                int32 = 1021
	TagArch              int32 = 1022
	TagOldFilenames      int32 = 1027
	TagFileSizes         int32 = 1028
	TagFileModes         int32 = 1030
	TagFileMTimes        int32 = 1034
	TagFileDigests       int32 = 1035
	TagFileLinkTos       int32 = 1036
	TagFileFlags         int32 = 1037
	TagFileUserName      int32 = 1039
	TagFileGroupName     int32 = 1040
	TagSourceRPM         int32 = 1044
	TagArchiveSize       int32 = 1046
	TagProvideName       int32 = 1047
	TagRequireFlags      int32 = 1048
	TagRequireName       int32 = 1049
	TagRequireVersion    int32 = 1050
	TagNoSource          int32 = 1051
	TagNoPatch           int32 = 1052
	TagConflictFlags     int32 = 1053
	TagConflictName      int32 = 1054
	TagConflictVersion   int32 = 1055
	TagExcludeArch       int32 = 1059
	TagExclusiveArch     int32 = 1061
	TagChangelogTime     int32 = 1080
	TagChangelogName     int32 = 1081
	TagChangelogText     int32 = 1082
	TagObsoleteName      int32 = 1090
	TagCookie            int32 = 1094
	TagSourcePackage     int32 = 1106
	TagProvideFlags      int32 = 1112
	TagProvideVersion    int32 = 1113
	TagObsoleteFlags     int32 = 1114
	TagObsoleteVersion   int32 = 1115
	TagDirIndexes        int32 = 1116
	TagBaseNames         int32 = 1117
	TagDirNames          int32 = 1118
	TagPayloadFormat     int32 = 1124
	TagPayloadCompressor int32 = 1125
	TagPayloadFlags      int32 = 1126
	TagLongFileSizes     int32 = 5008
	TagLongSize          int32 = 5009
	TagFileDigestAlgo    int32 = 5011
	TagRecommendName     int32 = 5046
	TagRecommendVersion  int32 = 5047
	TagRecommendFlags    int32 = 5048
	TagSuggestName       int32 = 5049
	TagSuggestVersion    int32 = 5050
	TagSuggestFlags      int32 = 5051
	TagSupplementName    int32 = 5052
	TagSupplementVersion int32 = 5053
	TagSupplementFlags   int32 = 5054
	TagEnhanceName       int32 = 5055
	TagEnhanceVersion    int32 = 5056
	TagEnhanceFlags      int32 = 5057
	TagPayloadDigest     int32 = 5092 // hex digests of the compressed payload
	TagPayloadDigestAlgo int32 = 5093 // OpenPGP number of that digest
	TagPayloadDigestAlt  int32 = 5097 // hex digests of the uncompressed payload
)

// Type is the type of an entry's values.
type Type uint32

// The types a header may hold.
const (
	Char        Type = 1
	Int8        Type = 2
	Int16       Type = 3
	Int32       Type = 4
	Int64       Type = 5
	String      Type = 6
	Bin         Type = 7
	StringArray Type = 8
	I18NString  Type = 9
)

// size is the length of one value, which is also its alignment; 0 for strings.
func (t Type) size() int {
	switch t {
	case Char, Int8, Bin:
		return 1
	case Int16:
		return 2
	case Int32:
		return 4
	case Int64:
		return 8
	}
	return 0
}
