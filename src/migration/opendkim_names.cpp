// What OpenDKIM 2.11 reads in its configuration: the names, so that a slip of the finger is told from a
// setting.
#include "migration/opendkim.hpp"

namespace posthorn::migration {

const std::vector<std::string_view>& opendkim_names() {
    static const std::vector<std::string_view> kNames{
        // clang-format off
    "AllowSHA1Only", "AlwaysAddARHeader", "ATPSDomains", "ATPSHashAlgorithm", "AuthservID", "AuthservIDWithJobID",
    "AutoRestart", "AutoRestartCount", "AutoRestartRate", "Background", "BaseDirectory", "BodyLengthDB", "BogusKey",
    "CaptureUnknownErrors", "Canonicalization", "ChangeRootDirectory", "ClockDrift", "Diagnostics", "DiagnosticDirectory",
    "DisableCryptoInit", "DNSConnect", "DNSTimeout", "Domain", "DomainKeysCompat", "DontSignMailTo", "EnableCoredumps",
    "ExemptDomains", "ExternalIgnoreList", "FinalPolicyScript", "FixCRLF", "IdentityHeader", "IdentityHeaderRemove",
    "IgnoreMalformedMail", "Include", "InternalHosts", "KeepAuthResults", "KeepTemporaryFiles", "KeyFile", "KeyTable",
    "LDAPAuthMechanism", "LDAPAuthName", "LDAPAuthRealm", "LDAPAuthUser", "LDAPBindPassword", "LDAPBindUser",
    "LDAPDisableCache", "LDAPKeepaliveIdle", "LDAPKeepaliveInterval", "LDAPKeepaliveProbes", "LDAPTimeout", "LDAPUseTLS",
    "LogResults", "LogWhy", "MacroList", "MaximumHeaders", "MaximumSignaturesToVerify", "MaximumSignedBytes", "MilterDebug",
    "Minimum", "MinimumKeyBits", "Mode", "MTA", "MTACommand", "MultipleSignatures", "MustBeSigned", "Nameservers", "NoHeaderB",
    "OmitHeaders", "On-BadSignature", "On-Default", "On-DNSError", "On-InternalError", "On-KeyNotFound", "On-NoSignature",
    "On-Security", "On-SignatureError", "OversignHeaders", "PeerList", "PidFile", "POPDBFile", "Quarantine", "QueryCache",
    "RedirectFailuresTo", "RemoveARAll", "RemoveARFrom", "RemoveOldSignatures", "ReplaceHeaders", "ReplaceRules",
    "ReportAddress", "ReportBccAddress", "RequestReports", "RequiredHeaders", "RequireSafeKeys", "ResignAll", "ResignMailTo",
    "ResolverConfiguration", "ResolverTracing", "ScreenPolicyScript", "SelectCanonicalizationHeader", "Selector",
    "SenderHeaders", "SenderMacro", "SendReports", "SetupPolicyScript", "SignatureAlgorithm", "SignatureTTL", "SignHeaders",
    "SigningTable", "SMTPURI", "SingleAuthResult", "Socket", "SoftStart", "SoftwareHeader", "Statistics", "StatisticsName",
    "StatisticsPolicyScript", "StatisticsPrefix", "StrictHeaders", "StrictTestMode", "SubDomains", "Syslog", "SyslogFacility",
    "SyslogName", "SyslogSuccess", "TemporaryDirectory", "TestDNSData", "TestPublicKeys", "TrustAnchorFile",
    "TrustSignaturesFrom", "UMask", "UnprotectedKey", "UserID", "VBR-Certifiers", "VBR-PurgeFields", "VBR-TrustedCertifiers",
    "VBR-TrustedCertifiersOnly", "VBR-Type", "WeakSyntaxChecks", "X-Header",
        // clang-format on
    };
    return kNames;
}

}  // namespace posthorn::migration
