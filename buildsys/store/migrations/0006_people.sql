-- Names that were given back. The row stays, for the history that refers to it; whoever takes the name again gets it.
ALTER TABLE users ADD COLUMN removed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE channels ADD COLUMN removed BOOLEAN NOT NULL DEFAULT FALSE;

-- Who may import as a content generator.
CREATE TABLE cg_users (
	cg_id BIGINT NOT NULL REFERENCES content_generator(id),
	user_id BIGINT NOT NULL REFERENCES users(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, cg_id, user_id),
	UNIQUE (cg_id, user_id, active)
);

-- Notifications that a user is spared: of a package, of a tag, of both together, of all (both NULL).
CREATE TABLE build_notifications_block (
	id {{.ID}},
	user_id BIGINT NOT NULL REFERENCES users(id),
	package_id BIGINT REFERENCES package(id),
	tag_id BIGINT REFERENCES tag(id)
);
CREATE INDEX build_notifications_user ON build_notifications (user_id);
CREATE INDEX build_notifications_block_user ON build_notifications_block (user_id);

-- A group's members, a channel's hosts, a user's sessions: each is asked for by that column alone.
CREATE INDEX user_groups_group ON user_groups (group_id);
CREATE INDEX host_channels_channel ON host_channels (channel_id);
CREATE INDEX sessions_user ON sessions (user_id);

-- Kinds of files that builds have beside packages, known by the ends of their names (separated by spaces).
CREATE TABLE archivetypes (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	extensions TEXT NOT NULL,
	compression_type TEXT
);
INSERT INTO archivetypes (name, description, extensions, compression_type) VALUES
	('jar', 'Jar file', 'jar war rar ear sar jdocbook jdocbook-style', 'zip'),
	('zip', 'Zip file', 'zip', 'zip'),
	('pom', 'Maven Project Object Management file', 'pom', NULL),
	('tar', 'Tar file', 'tar tar.gz tar.bz2 tar.xz tgz', 'tar'),
	('xml', 'XML file', 'xml', NULL),
	('xmlcompressed', 'Compressed XML file', 'xml.gz xml.bz2 xml.xz', NULL),
	('xsd', 'XML Schema Definition', 'xsd', NULL),
	('spec', 'RPM spec file', 'spec', NULL),
	('exe', 'Windows executable', 'exe', NULL),
	('dll', 'Windows dynamic link library', 'dll', NULL),
	('lib', 'Windows import library', 'lib', NULL),
	('sys', 'Windows device driver', 'sys', NULL),
	('inf', 'Windows driver information file', 'inf', NULL),
	('cat', 'Windows catalog file', 'cat', NULL),
	('msi', 'Windows Installer package', 'msi', NULL),
	('pdb', 'Windows debug information', 'pdb', NULL),
	('oem', 'Windows driver oem file', 'oem', NULL),
	('iso', 'CD/DVD Image', 'iso', NULL),
	('raw', 'Raw disk image', 'raw', NULL),
	('qcow', 'QCOW image', 'qcow', NULL),
	('qcow2', 'QCOW2 image', 'qcow2', NULL),
	('vmdk', 'vSphere image', 'vmdk', NULL),
	('ova', 'Open Virtualization Archive', 'ova', NULL),
	('ks', 'Kickstart', 'ks', NULL),
	('cfg', 'Configuration file', 'cfg', NULL),
	('vdi', 'VirtualBox Virtual Disk Image', 'vdi', NULL),
	('aar', 'Binary distribution of an Android Library project', 'aar', NULL),
	('apklib', 'Source distribution of an Android Library project', 'apklib', NULL),
	('cab', 'Windows cabinet file', 'cab', NULL),
	('dylib', 'OS X dynamic library', 'dylib', NULL),
	('gem', 'Ruby gem', 'gem', NULL),
	('ini', 'INI config file', 'ini', NULL),
	('js', 'Javascript file', 'js', NULL),
	('ldif', 'LDAP Data Interchange Format file', 'ldif', NULL),
	('manifest', 'Runtime environment for .NET applications', 'manifest', NULL),
	('msm', 'Windows merge module', 'msm', NULL),
	('properties', 'Properties file', 'properties', NULL),
	('sig', 'Signature file', 'sig signature', NULL),
	('so', 'Shared library', 'so', NULL),
	('txt', 'Text file', 'txt', NULL),
	('vhd', 'Hyper-V image', 'vhd', NULL),
	('vhdx', 'Hyper-V Virtual Hard Disk v2 image', 'vhdx', NULL),
	('wsf', 'Windows script file', 'wsf', NULL),
	('box', 'Vagrant Box Image', 'box', NULL),
	('raw-xz', 'xz compressed raw disk image', 'raw.xz', NULL),
	('json', 'JSON data', 'json', NULL),
	('key', 'Key file', 'key', NULL),
	('dot', 'DOT graph description', 'dot gv', NULL),
	('groovy', 'Groovy script file', 'groovy gvy', NULL),
	('batch', 'Batch file', 'bat', NULL),
	('shell', 'Shell script', 'sh', NULL),
	('rc', 'Resource file', 'rc', NULL),
	('wsdl', 'Web Services Description Language', 'wsdl', NULL),
	('obr', 'OSGi Bundle Repository', 'obr', NULL),
	('liveimg-squashfs', 'liveimg compatible squashfs image', 'liveimg.squashfs', NULL),
	('tlb', 'OLE type library file', 'tlb', NULL),
	('jnilib', 'Java Native Interface library', 'jnilib', NULL),
	('yaml', 'YAML Ain''t Markup Language', 'yaml yml', NULL),
	('xjb', 'JAXB(Java Architecture for XML Binding) Binding Customization File', 'xjb', NULL),
	('raw-gz', 'GZIP compressed raw disk image', 'raw.gz', NULL),
	('qcow2-compressed', 'Compressed QCOW2 image', 'qcow2.gz qcow2.xz', NULL),
	('iso-compressed', 'Compressed iso image', 'iso.gz iso.xz', NULL),
	('vhd-compressed', 'Compressed VHD image', 'vhd.gz vhd.xz', NULL),
	('vhdx-compressed', 'Compressed VHDx image', 'vhdx.gz vhdx.xz', NULL),
	('vmdk-compressed', 'Compressed VMDK image', 'vmdk.gz vmdk.xz', NULL),
	('kernel-image', 'Kernel BZ2 Image', 'vmlinuz vmlinuz.gz vmlinuz.xz', NULL),
	('initramfs', 'Compressed Initramfs Image', 'img', NULL),
	('checksum', 'Checksum file', 'sha256', NULL),
	('changes', 'Kiwi changes file', 'changes.xz changes', NULL),
	('packages', 'Kiwi packages listing', 'packages', NULL),
	('verified', 'Kiwi verified package list', 'verified', NULL),
	('erofs', 'erofs image', 'erofs', NULL),
	('erofs-compressed', 'Compressed erofs image', 'erofs.gz erofs.xz', NULL),
	('squashfs', 'SquashFS image', 'squashfs', NULL),
	('squashfs-compressed', 'Compressed SquashFS image', 'squashfs.gz squashfs.xz', NULL),
	('wsl', 'Compressed tarball for Windows Subsystem for Linux', 'wsl', NULL);
