// Makes volumes for a test cluster: for each claim of the storage class named by -class a PersistentVolume with a folder of this
// node, and takes both away when the claim is gone and the class says so. One node, one process, no leader.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const provisionedBy = "pv.kubernetes.io/provisioned-by"

func main() {
	config := flag.String("kubeconfig", "", "credential of the cluster")
	class := flag.String("class", "local", "storage class whose claims are served")
	name := flag.String("name", "pluvio.test/folder", "the provisioner's name, as the storage class says it")
	folder := flag.String("folder", "/var/lib/volumes", "where the volumes' folders go")
	flag.Parse()
	rest, err := clientcmd.BuildConfigFromFlags("", *config)
	if err != nil {
		log.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(rest)
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	maker := maker{client, *class, *name, *folder}
	_, _ = factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(claim any) { maker.make(claim.(*core.PersistentVolumeClaim)) },
		UpdateFunc: func(_, claim any) { maker.make(claim.(*core.PersistentVolumeClaim)) },
	})
	_, _ = factory.Core().V1().PersistentVolumes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(volume any) { maker.remove(volume.(*core.PersistentVolume)) },
		UpdateFunc: func(_, volume any) { maker.remove(volume.(*core.PersistentVolume)) },
	})
	factory.Start(wait.NeverStop)
	select {}
}

type maker struct {
	client              kubernetes.Interface
	class, name, folder string
}

func (m maker) make(claim *core.PersistentVolumeClaim) {
	if claim.Spec.VolumeName != "" || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != m.class || claim.DeletionTimestamp != nil {
		return
	}
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(m.folder, name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		log.Print(err)
		return
	}
	// The folder's mode must not depend on the umask: pods run as other users.
	_ = os.Chmod(path, 0o777)
	kind := core.HostPathDirectory
	_, err := m.client.CoreV1().PersistentVolumes().Create(context.Background(), &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: m.name}},
		Spec: core.PersistentVolumeSpec{
			StorageClassName:              m.class,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      claim.Spec.Resources.Requests,
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			PersistentVolumeSource: core.PersistentVolumeSource{
				HostPath: &core.HostPathVolumeSource{Path: path, Type: &kind},
			},
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}, meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		log.Printf("volume for %s/%s: %v", claim.Namespace, claim.Name, err)
	}
}

func (m maker) remove(volume *core.PersistentVolume) {
	if volume.Annotations[provisionedBy] != m.name || volume.Status.Phase != core.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete || volume.Spec.HostPath == nil {
		return
	}
	_ = os.RemoveAll(volume.Spec.HostPath.Path)
	if err := m.client.CoreV1().PersistentVolumes().Delete(context.Background(), volume.Name, meta.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		log.Printf("volume %s: %v", volume.Name, err)
	}
}
